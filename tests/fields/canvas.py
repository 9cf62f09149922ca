"""Pages of placed text, written as PDF, plain text, HTML or a degraded scan.

The PDF writer is these few lines: one built-in font, WinAnsi text, nothing else.
"""

import email.message
import html
import io
import random
import zlib

W, H = 595, 842  # A4 in points


class Page:
    def __init__(self):
        self.items = []  # (x, y from the top, size, text)

    def put(self, x, y, text, size=10):
        self.items.append((x, y, size, str(text)))

    def right(self, x, y, text, size=10):
        self.put(x - width(str(text), size), y, text, size)


class Mail:
    """A mail in place of a page."""

    def __init__(self, headers, body):
        self.headers, self.body = headers, body

    def write(self):
        mail = email.message.EmailMessage()
        for name, value in self.headers.items():
            mail[name] = value
        mail.set_content(self.body)
        return mail.as_bytes()


NARROW, WIDE = set("ijlftI.,:;'|!()[] "), set("mwMW@%")


def width(text, size):
    """Of Helvetica, near enough to set numbers flush right."""
    return sum(0.278 if c in NARROW else 0.833 if c in WIDE else 0.667 if c.isupper() else 0.556 for c in text) * size


def pdf(page):
    def escape(text):
        return text.encode("cp1252", "replace").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    stream = b"BT\n"
    for x, y, size, text in page.items:
        stream += b"/F1 %.1f Tf 1 0 0 1 %.2f %.2f Tm (%s) Tj\n" % (size, x, H - y, escape(text))
    stream = zlib.compress(stream + b"ET\n")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>" % (W, H),
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream) + stream + b"\nendstream",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in places)
    return out + b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % start


def rows(page):
    """Items of one height, left to right, from top to bottom."""
    lines = {}
    for x, y, size, text in page.items:
        lines.setdefault(round(y / 4), []).append((x, text, size))
    return [sorted(lines[y]) for y in sorted(lines)]


def text(page):
    return ("\n".join("   ".join(t for _, t, _ in row) for row in rows(page)) + "\n").encode()


def web(page):
    body = "".join("<tr>" + "".join(f"<td>{html.escape(t)}</td>" for _, t, _ in row) + "</tr>\n" for row in rows(page))
    return f"<!doctype html><html><head><meta charset=utf-8><title>document</title></head><body><table>\n{body}</table></body></html>".encode()


def scan(page, seed):
    from PIL import Image, ImageDraw, ImageFilter, ImageFont
    scale = 150 / 72
    image = Image.new("L", (int(W * scale), int(H * scale)), 255)
    draw = ImageDraw.Draw(image)
    for x, y, size, line in page.items:
        font = ImageFont.load_default(size * scale)
        draw.text((x * scale, (y - size * 0.8) * scale), line, fill=20, font=font)
    rng = random.Random(seed)
    image = image.rotate(rng.uniform(-0.6, 0.6), resample=Image.BICUBIC, fillcolor=255).filter(ImageFilter.GaussianBlur(0.6))
    noise = Image.effect_noise(image.size, 18)
    image = Image.blend(image, noise, 0.12)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()

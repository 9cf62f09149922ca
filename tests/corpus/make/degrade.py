"""What scanners and telephones do to a page. Every function is seeded by its caller."""

import io

import numpy as np
from PIL import Image, ImageFilter


def trim(image, border=60):
    """Cut the empty lower part of a short page (receipts)."""
    rows = np.where((np.asarray(image) < 200).any(axis=1))[0]
    return image.crop((0, 0, image.width, min(image.height, int(rows[-1]) + border)))


def scanned(image, seed, blur=0.4, grain=3):
    """A good flatbed: a little blur, a little grain, paper not quite white."""
    noise = np.random.default_rng(seed).normal(0, grain, (image.height, image.width))
    data = np.asarray(image.filter(ImageFilter.GaussianBlur(blur)), dtype=float) * 0.94 + 10 + noise
    return Image.fromarray(data.clip(0, 255).astype(np.uint8))


def noisy(image, seed, contrast=0.45, gaussian=14, specks=0.006):
    """Low contrast, gaussian noise, salt and pepper."""
    rng = np.random.default_rng(seed)
    data = np.asarray(image.filter(ImageFilter.GaussianBlur(0.5)), dtype=float)
    data = 120 + (data - 128) * contrast + rng.normal(0, gaussian, data.shape)
    hit = rng.random(data.shape)
    data[hit < specks / 2] = 20
    data[hit > 1 - specks / 2] = 240
    return Image.fromarray(data.clip(0, 255).astype(np.uint8))


def skewed(image, degrees):
    return image.rotate(degrees, resample=Image.BICUBIC, expand=True, fillcolor=image.getpixel((2, 2)))


def _warp(width, height, corners):
    """Coefficients that map the output rectangle's corners onto the given places of the input."""
    rows, values = [], []
    for (x, y), (u, v) in zip([(0, 0), (width, 0), (width, height), (0, height)], corners):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return np.linalg.solve(np.array(rows, float), np.array(values, float))


def photographed(image, seed, lean=0.035, shade=0.35, grain=5):
    """A hand-held photograph: perspective, uneven light, a dark table around the sheet."""
    rng = np.random.default_rng(seed)
    w, h = image.width, image.height
    sheet = Image.new("L", (int(w * 1.12), int(h * 1.10)), 70)
    sheet.paste(image.point(lambda v: int(v * 0.92)), (int(w * 0.06), int(h * 0.05)))
    w, h = sheet.size
    corners = [(x + rng.uniform(-lean, lean) * w, y + rng.uniform(-lean, lean) * h)
               for x, y in [(0, 0), (w, 0), (w, h), (0, h)]]
    sheet = sheet.transform((w, h), Image.PERSPECTIVE, _warp(w, h, corners), Image.BICUBIC, fillcolor=70)
    data = np.asarray(sheet.filter(ImageFilter.GaussianBlur(0.7)), dtype=float)
    y, x = np.mgrid[0:h, 0:w]
    light = 1 - shade * np.hypot(x / w - rng.uniform(0.2, 0.4), y / h - rng.uniform(0.1, 0.3))
    data = data * light + rng.normal(0, grain, data.shape)
    return Image.fromarray(data.clip(0, 255).astype(np.uint8))


def png(image, dpi, bits=4):
    """A small PNG: `bits` grey depth (1 thresholds)."""
    out = io.BytesIO()
    if bits == 1:
        image = image.point(lambda v: 255 if v > 150 else 0).convert("1", dither=Image.Dither.NONE)
        image.save(out, "PNG", optimize=True, dpi=(dpi, dpi))
    else:
        step = 255 / (2 ** bits - 1)
        flat = image.point([int(round(v / step)) for v in range(256)])
        flat = Image.fromarray(np.asarray(flat), "L")
        flat = flat.convert("P")
        flat.putpalette([int(round(i * step)) for i in range(2 ** bits) for _ in range(3)])
        flat.save(out, "PNG", optimize=True, bits=bits, dpi=(dpi, dpi))
    return out.getvalue()


def jpeg(image, dpi, quality=55):
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, dpi=(dpi, dpi))
    return out.getvalue()


def tiff(images, dpi, compression="group4"):
    pages = [i.point(lambda v: 255 if v > 150 else 0).convert("1", dither=Image.Dither.NONE) for i in images]
    out = io.BytesIO()
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], compression=compression, dpi=(dpi, dpi))
    return out.getvalue()


def image_pdf(images, dpi, quality=45):
    """A PDF that holds nothing but pictures."""
    from reportlab.pdfgen.canvas import Canvas
    from reportlab.lib.utils import ImageReader
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    for image in images:
        size = (image.width * 72 / dpi, image.height * 72 / dpi)
        canvas.setPageSize(size)
        canvas.drawImage(ImageReader(io.BytesIO(jpeg(image, dpi, quality))), 0, 0, *size)
        canvas.showPage()
    canvas.save()
    return out.getvalue()

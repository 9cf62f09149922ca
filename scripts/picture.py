#!/usr/bin/env python3
"""The picture at the top of the README, of what a running quire really answered.

    data/page/bin/python scripts/picture.py http://127.0.0.1:8737 docs/picture.png

The quire at that address has understood tests/corpus/documents (`quire demo tests/corpus/documents` serves
after its table); `make page` fetches what drives Chromium.
"""

import base64
import html
import json
import sys
import urllib.request

from playwright.sync_api import sync_playwright

SHOWN = ["receipt-photographed.jpg", "invoice-clean-scan.png", "letter-complaint-clean-scan.png", "lease-three-pages.tif"]
LIKE = "service-agreement-v1.docx"

STYLE = """
body { margin: 0; width: 1200px; font: 15px/1.35 system-ui, 'DejaVu Sans', sans-serif; color: #16202c; background: #fff }
section { display: grid; grid-template-columns: 128px 28px 1fr; gap: 0 16px; align-items: center; padding: 14px 24px;
  border-bottom: 1px solid #e3e8ee }
img { height: 132px; width: 128px; object-fit: contain; border: 1px solid #cfd7e0; border-radius: 4px; background: #f5f7f9 }
.arrow { font-size: 26px; color: #8795a5 }
h2 { font: 600 15px ui-monospace, 'DejaVu Sans Mono', monospace; margin: 0 0 6px }
p { margin: 4px 0 }
b { font-weight: 600; color: #0b5cad }
span { display: inline-block; padding: 1px 8px; margin: 2px 6px 2px 0; border-radius: 10px; background: #eef3f8 }
span i { font-style: normal; color: #5c6b7b }
.accept { background: #dff3e4 } .review { background: #fdeecb } .reject { background: #fbdcdc }
q { color: #44525f; quotes: none; font-style: italic }
footer { padding: 14px 24px 18px } footer h2 { color: #0b5cad }
td { padding: 1px 18px 1px 0 } td:first-child { font-variant-numeric: tabular-nums; color: #0b5cad }
"""


def ask(base, path):
    with urllib.request.urlopen(base + path) as answer:
        return answer.read()


def chip(text, name="", kind=""):
    return f'<span class="{kind}">{f"<i>{html.escape(name)}</i> " if name else ""}{html.escape(text)}</span>'


def value(field):
    value = field["value"]["value"]
    return f"{value['currency'] or ''} {value['amount']}".strip() if isinstance(value, dict) else str(value)


def row(base, line):
    document = json.loads(ask(base, f"/v1/documents/{line['id']}"))["document"]
    image = base64.b64encode(ask(base, f"/v1/documents/{line['id']}/pages/1/image")).decode()
    kind, tone, verdict = document["kind"], document["sentiment"], document["verdict"]
    facts = [f"<b>{kind['label']}</b> {kind['confidence']:.0%}", document["language"]["label"]]
    if document["ocr_confidence"] is not None:
        facts.append(f"OCR {document['ocr_confidence']:.0%}")
    facts.append(f"{tone['label']} {tone['confidence']:.0%}")
    fields = [chip(value(field), field["name"]) for field in document["fields"] if "[" not in field["name"]][:6]
    names = [chip(entity["text"], entity["label"]) for entity in document["entities"]][:6]
    summary = document["summary"][0]["text"] if document["summary"] else ""
    reasons = "; ".join(verdict["reasons"][:1])
    decision = chip(verdict["decision"] + (f": {reasons}" if reasons else ""), kind=verdict["decision"])
    said = f"<p><q>{html.escape(summary[:150])}{'…' if len(summary) > 150 else ''}</q></p>"
    return (f'<section><img src="data:image/png;base64,{image}"><div class="arrow">→</div><div>'
            f"<h2>{html.escape(document['name'])}</h2><p>{' · '.join(facts)}</p>"
            f"<p>{''.join(fields)}{''.join(names[: 8 - len(fields)])}</p>{said}<p>{decision}</p></div></section>")


def similar(base, line):
    hits = json.loads(ask(base, f"/v1/documents/{line['id']}/similar?limit=3"))["hits"]
    rows = "".join(f"<tr><td>{hit['score']:.3f}</td><td>{html.escape(hit['name'])}</td><td>{hit['kind']}</td></tr>"
                   for hit in hits)
    return f"<footer><h2>Which documents are like {html.escape(line['name'])}?</h2><table>{rows}</table></footer>"


def main(base, out):
    lines = {}
    for offset in range(0, 1000, 100):
        found = json.loads(ask(base, f"/v1/documents?limit=100&offset={offset}"))["documents"]
        lines |= {line["name"]: line for line in found}
        if len(found) < 100:
            break
    body = "".join(row(base, lines[name]) for name in SHOWN) + similar(base, lines[LIKE])
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1200, "height": 400})
        page.set_content(f'<meta charset="utf-8"><style>{STYLE}</style><body>{body}</body>')
        page.screenshot(path=out, full_page=True)
        browser.close()


main(*sys.argv[1:])

"""Uses the page as a person does: sends documents, follows them, looks at them, searches, reviews, reads reports.

drive.py URL DOCUMENTS SHOTS: the address of a quire with an empty store, the folder of documents, and
a folder for pictures of every view. Says what it saw, a line a step; fails at the first thing that is wrong.
"""

import csv
import faulthandler
import io
import re
import sys
import time
from pathlib import Path

from browser import CHROMIUM, NARROW, PATIENCE, Tab
from closely import by_passage, correct_text_and_reject, from_text_by_key, gpus_and_lag, save_everything
from playwright.sync_api import expect, sync_playwright
from together import read_again, work_together

INVOICE, LETTER, REPORT = "invoice-clean-scan.png", "letter-complaint-clean-scan.png", "annual-report.pdf"
TWINS = ["service-agreement-v1.docx", "service-agreement-v2.docx"]
BROKEN = "corrupt.docx"
SENT = [INVOICE, LETTER, REPORT, *TWINS, BROKEN]
# A number with right check digits, in the place of the one that the document has.
VAT = "GB980780684"

# The whole takes two minutes on two quiet cores.
LONGEST_S = 900

started = time.monotonic()


def saw(what):
    print(f"{time.monotonic() - started:6.1f} s  {what}", flush=True)


def send(tab, documents, shots):
    tab.open("#/")
    page = tab.page
    expect(page.locator(".stages li")).to_have_count(7)
    page.set_input_files("#files", [documents / name for name in SENT])
    expect(page.locator(".sent progress").first).to_be_visible(timeout=PATIENCE)
    saw("progress of a document that was sent")
    expect(page.get_by_role("region", name="Documents in flight")).to_be_visible(timeout=PATIENCE)
    page.screenshot(path=shots / "busy-light.png")
    for name in SENT:
        expect(page.locator(".sent").get_by_role("link", name=name)).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".sent li", has_text=BROKEN)).to_contain_text("given up")
    expect(page.locator(".sent li", has_text=INVOICE)).to_contain_text("review")
    expect(page.locator(".tiles .card", has_text="given up")).to_contain_text("1")
    saw("six documents sent: five understood, one given up with its reason")


def list_and_export(tab):
    page = tab.page
    tab.press("2")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(5)
    page.select_option("#kind", "contract")
    expect(rows).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export documents as CSV").click()
    table = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))
    assert sorted(row["name"] for row in table) == TWINS, table
    page.get_by_role("link", name="clear").click()
    expect(rows).to_have_count(5)
    saw("the list, filtered, and exported")
    # With keys alone: down to the invoice, and open it.
    names = [row.locator("a").inner_text() for row in rows.all()]
    tab.press(*["j"] * (names.index(INVOICE) + 1), "Enter")
    expect(page.locator("h1")).to_have_text(INVOICE)
    tab.settle()


def look_at_invoice(tab):
    page = tab.page
    picture = page.get_by_role("img", name=f"Page 1 of {INVOICE}")
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.naturalWidth") > 400
    boxes = page.locator(".sheet rect")
    assert boxes.count() > 60, boxes.count()
    number = page.locator(".fact", has_text="HP-2024-0317")
    # From the finding to the page ...
    number.focus()
    expect(page.locator(".sheet rect.lit")).to_have_count(1)
    assert "HP-2024-0317" in page.locator(".sheet rect.lit title").text_content()
    # ... and from the page to the finding.
    page.locator(".sheet rect.field", has_text="5,168.40").or_(page.locator(".sheet rect.field", has_text="Harbour")).first.click()
    lit = page.locator(".findings .lit").first
    expect(lit).to_be_visible()
    assert "HP-2024-0317" not in lit.inner_text()
    name = page.locator(".group .find", has_text="Eleanor Whitfield").first
    name.focus()
    lit = page.locator(".sheet rect.lit.entity")
    expect(lit.first).to_be_visible()
    for title in ("Doubts", "Fields", "Summary", "Checks", "Named in it", "Tone", "Similar documents", "Timeline", "Facts"):
        expect(page.locator("h2", has_text=title).first).to_be_visible()
    sure = page.get_by_role("region", name="How sure each model was")
    expect(sure).to_contain_text("ner@")
    expect(sure.locator("tr", has_text="reading")).to_contain_text("%")
    expect(name).to_contain_text("%")
    expect(page.locator(".lines tbody tr").first).to_contain_text("Oak shelving")
    expect(page.locator(".like").first).to_contain_text("alike")
    saw("the invoice: picture, word boxes, fields and names lit both ways")


def look_at_others(tab):
    page = tab.page
    tab.open("#/documents")
    page.get_by_role("link", name=REPORT).click()
    tab.settle()
    expect(page.locator("h2", has_text="Page 1 of 2")).to_be_visible()
    tab.press("]")
    expect(page.locator("h2", has_text="Page 2 of 2")).to_be_visible()
    tab.settle()
    tab.press("[")
    expect(page.locator("h2", has_text="Page 1 of 2")).to_be_visible()
    tab.settle()
    tab.open("#/documents")
    page.get_by_role("link", name=TWINS[1]).click()
    tab.settle()
    from_text_by_key(tab)
    tone = page.locator(".text .tone").first
    expect(tone).to_be_visible()
    assert re.fullmatch(r"\s*Tone of passage 1: (negative|neutral|positive) \d+ %", tone.text_content()), tone.text_content()
    expect(page.locator(".like", has_text=TWINS[0])).to_be_visible()
    met = page.locator(".met").first
    met.locator("summary").focus()
    tab.press("Enter")
    expect(met.locator("blockquote")).to_have_count(2)
    expect(met.locator("blockquote").last).to_contain_text(f"{TWINS[0]}, page 1")
    find_twin(tab)
    saw("pages turned by key; a text without pictures, the tone beside it; the twin among the similar")


def find_twin(tab):
    """Of two that are understood at the same moment, neither may have seen the other: then one is read again."""
    page = tab.page
    tab.open("#/documents?kind=contract")
    for way in [link.get_attribute("href") for link in page.locator("tbody a").all()]:
        tab.open(way)
        if page.locator(".twin").count():
            return
    page.get_by_role("button", name="Read again").click()
    page.get_by_role("dialog").get_by_role("button", name="Read it again").click()
    for _ in range(100):
        page.wait_for_timeout(300)
        page.reload()
        tab.settle()
        if page.locator(".twin").count():
            return
    raise AssertionError("the twin was not found when it was read again")


def given_up(tab, dead, shots):
    page = tab.page
    tab.open(f"#/documents/{dead}")
    expect(page.locator(".facts")).to_contain_text("what to do")
    expect(page.locator(".chip.dead")).to_be_visible()
    tab.open("#/documents?state=dead")
    row = page.locator("tbody tr", has_text=BROKEN)
    expect(row).to_contain_text("decode")
    tab.check("given up list")
    page.screenshot(path=shots / "dead-light.png")
    with page.expect_response(lambda answer: answer.url.endswith(f"/v1/dead-letters/{dead}/replay")) as answer:
        row.get_by_role("button", name="Try").click()
    assert answer.value.status == 202, answer.value
    expect(page.locator("#toast")).to_contain_text(f"{BROKEN} is tried again")
    saw("why a document was given up, and what to do; tried again by a button")


def search(tab):
    page = tab.page
    tab.press("/")
    box = page.get_by_role("searchbox")
    expect(box).to_be_focused()
    page.keyboard.type("complaint about a broken washing machine")
    tab.press("Enter")
    first = page.locator(".hit").first
    expect(first).to_contain_text(LETTER)
    expect(first.locator("mark").first).to_be_visible()
    kind = page.get_by_role("checkbox", name="contract")
    kind.focus()
    tab.press("Space")
    expect(page.locator(".hit")).to_have_count(2)
    expect(page.get_by_role("checkbox", name="contract")).to_be_checked()
    # The other kinds are still there to be chosen too.
    page.get_by_role("checkbox", name="invoice").check()
    expect(page.locator(".hit")).to_have_count(3)
    assert "kind=contract&kind=invoice" in page.url, page.url
    saw("search by meaning, two facets")
    by_example(tab)
    by_passage(tab, saw)


def by_example(tab):
    """More like one of what was found, less like another; then both taken back, by keys."""
    page = tab.page
    hits, examples = page.locator(".hit"), page.get_by_role("group", name="Examples").get_by_role("button")
    hits.filter(has_text=TWINS[0]).get_by_role("link", name="more like this").click()
    expect(examples).to_have_count(1)
    expect(examples.first).to_contain_text(f"more like {TWINS[0]}")
    # The words still count: the invoice is there, after the twin; the example is left out.
    expect(hits).to_have_count(2)
    expect(hits.first).to_contain_text(TWINS[1])
    assert "q=complaint" in page.url and "like=" in page.url, page.url
    away = hits.filter(has_text=TWINS[1]).get_by_role("link", name="less like this")
    away.focus()
    tab.press("Enter")
    expect(examples.filter(has_text="less like")).to_contain_text(TWINS[1])
    expect(hits).to_have_count(1)
    expect(hits.first).to_contain_text(INVOICE)
    tab.check("by example")
    examples.filter(has_text="less like").focus()
    tab.press("Space")
    expect(hits).to_have_count(2)
    page.reload()
    tab.settle()
    examples.filter(has_text="more like").focus()
    tab.press("Enter")
    expect(examples).to_have_count(0)
    expect(hits).to_have_count(3)
    saw("more like this, less like that, and both taken away again, by keys")


def review(tab, shots):
    page = tab.page
    page.evaluate("localStorage.setItem('who', 'ada')")
    # After a decision the next one is taken on, where one is free.
    tab.expect_answer(r"/v1/reviews/next$", 404)
    tab.press("Escape", "4")
    row = page.locator("tbody tr", has_text=INVOICE)
    expect(row).to_contain_text("vat-id-check-digits")
    # Kinds come from the server, those too that no document here has.
    expect(page.locator("#kind")).to_contain_text("minutes")
    row.get_by_role("link").focus()
    tab.press("Enter")
    expect(page.locator("h1")).to_have_text(INVOICE)
    tab.settle()
    doubtful = page.get_by_role("textbox", name="vat id")
    expect(doubtful).to_be_focused()
    assert page.locator(".sheet rect.lit").count() > 0, "its place is not lit"
    page.screenshot(path=shots / "doubtful-light.png")
    tab.press("Tab")
    expect(doubtful).not_to_be_focused()
    tab.press("Shift+Tab")
    expect(doubtful).to_be_focused()
    tab.press("Escape", "c")
    expect(page.get_by_role("status").filter(has_text="with ada")).to_be_visible()
    doubtful.focus()
    tab.press("Control+a")
    page.keyboard.type(VAT)
    expect(page.get_by_role("button", name="Save corrections")).to_be_visible()
    tab.press("Control+Enter")
    expect(page.locator("#toast")).to_contain_text(f"{INVOICE}: correct")
    expect(page.locator("h1")).not_to_have_text(INVOICE)
    tab.settle()
    saw("claimed and corrected by key")
    tab.press("Escape", "u")
    expect(page.locator("h1")).to_have_text(INVOICE)
    tab.settle()
    expect(page.locator(".history")).to_contain_text("reopen")
    expect(page.get_by_role("textbox", name="vat id")).to_have_value("GB318447209")
    saw("the decision taken back: the field is as it was")
    page.get_by_role("textbox", name="vat id").fill(VAT)
    page.get_by_placeholder("Comment").fill("read it from the letterhead")
    tab.press("Control+Enter")
    expect(page.locator("#toast")).to_contain_text("correct")
    expect(page.locator("h1")).not_to_have_text(INVOICE)
    tab.settle()
    # A document without doubts can be looked at as well; here it is good as it is.
    tab.open("#/documents?kind=letter")
    page.get_by_role("link", name=LETTER).click()
    tab.settle()
    page.get_by_role("link", name="Review", exact=True).last.click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    tab.settle()
    tab.press("Escape", "a")
    expect(page.locator("#toast")).to_contain_text(f"{LETTER}: approve")
    expect(page.locator("h1")).not_to_have_text(LETTER)
    tab.open("#/documents?kind=invoice")
    page.get_by_role("link", name=INVOICE).click()
    tab.settle()
    expect(page.locator(".lead")).to_contain_text("correct by ada")
    expect(page.locator(".fact", has_text=VAT)).to_contain_text("%")
    expect(page.locator(".timeline")).to_contain_text("correct by ada")
    saw("corrected again, another one approved; the document says so")
    work_together(tab, shots, saw)
    read_again(tab, shots, LETTER)
    saw("read again in a language and as a kind that were chosen")


def reports(tab):
    page = tab.page
    tab.press("5")
    tab.settle()
    expect(page.get_by_role("list", name="Kinds")).to_contain_text("contract")
    expect(page.get_by_role("img", name="Tone over time")).to_be_visible()
    expect(page.get_by_role("img", name="Verdicts over time")).to_be_visible()
    expect(page.locator(".tiles")).to_contain_text("3 decisions")
    expect(page.get_by_role("region", name="By reviewer")).to_contain_text("ada")
    # The agreement and its second version: whichever came first.
    groups = page.get_by_role("list", name="Groups of near-duplicates")
    expect(groups).to_contain_text("2 documents")
    for name in TWINS:
        expect(groups.get_by_role("link", name=name)).to_be_visible()
    expect(groups).to_contain_text("the same content")
    page.select_option("#relation", "same_form")
    expect(page.get_by_text("None came in this time.")).to_be_visible()
    page.select_option("#relation", "all")
    expect(groups.get_by_role("link", name=TWINS[0])).to_be_visible()
    saw("near-duplicates, by what joins them")
    courses = page.get_by_role("list", name="Over time")
    expect(courses.get_by_role("link", name="contract")).to_be_visible()
    page.select_option("#over", "source")
    expect(courses.get_by_role("link", name="inbox")).to_be_visible()
    page.select_option("#report-kind", "contract")
    expect(page.locator(".tiles .card").first).to_contain_text("2")
    expect(page.locator(".tiles")).to_contain_text("1 decisions")
    page.get_by_role("list", name="Languages").get_by_role("link", name="en").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    saw("reports: charts, decisions, one kind, and from a bar to its documents")


def all_views(browser, base, ids, shots):
    """Every view in both themes and on a narrow screen, looked at by axe and kept as a picture."""
    views = {"flow": "#/", "documents": "#/documents", "document": f"#/documents/{ids[INVOICE]}", "text": f"#/documents/{ids[TWINS[0]]}",
             "given-up": f"#/documents/{ids[BROKEN]}", "search": "#/search?q=late+payment",
             "examples": f"#/search?q=late+payment&like={ids[LETTER]}&unlike={ids[TWINS[0]]}", "queue": "#/review",
             "review": f"#/review/{ids[TWINS[0]]}", "decided": f"#/review/{ids[INVOICE]}", "reports": "#/reports", "empty": "#/documents?kind=resume"}
    minor = 0
    for theme, size in (("light", None), ("dark", None), ("light", NARROW)):
        tab = Tab(browser, base, theme, size)
        for name, way in views.items():
            tab.open(way)
            shot = f"{name}-{theme}{'-narrow' if size else ''}"
            if name in ("document", "review"):
                tab.page.locator(".findings .find, .findings input").first.focus()
            tab.page.screenshot(path=shots / f"{shot}.png")
            # What axe looks at differs on a narrow screen in a few views only.
            if size is None or name in ("flow", "search", "review"):
                minor += tab.check(shot)
            else:
                tab.check_size(shot)
        tab.press("?")
        expect(tab.page.get_by_role("dialog")).to_be_visible()
        minor += tab.check(f"help-{theme}")
        tab.context.close()
    saw(f"{len(views) + 1} views, light, dark and narrow: axe finds nothing serious, {minor} lesser things")


def main():
    # Says where it hangs, and ends.
    faulthandler.dump_traceback_later(LONGEST_S, exit=True)
    base, documents, shots = sys.argv[1].rstrip("/"), Path(sys.argv[2]), Path(sys.argv[3])
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        tab = Tab(browser, base)
        try:
            ids = use(tab, documents, shots)
        except BaseException:
            print(f"at {tab.page.url}, after these complaints: {tab.complaints}", flush=True)
            tab.page.screenshot(path=shots / "failed.png")
            raise
        all_views(browser, base, ids, shots)
        browser.close()


def use(tab, documents, shots):
    """The whole way, and the ids of what was sent."""
    send(tab, documents, shots)
    links = tab.page.locator(".sent a").all()
    ids = {link.inner_text(): link.get_attribute("href").rsplit("/", 1)[1] for link in links}
    for step in (list_and_export, look_at_invoice, look_at_others, search, lambda tab: review(tab, shots), reports):
        step(tab)
        tab.check(f"after {tab.page.url}")
    save_everything(tab, ids[TWINS[0]], saw)
    correct_text_and_reject(tab, ids[REPORT], saw)
    gpus_and_lag(tab, saw)
    given_up(tab, ids[BROKEN], shots)
    tab.check("given up")
    return ids


if __name__ == "__main__":
    main()

"""What is looked at more closely: places, exports, corrected texts, decisions that somebody else made, GPUs."""

import csv
import io
import re
from pathlib import Path

from playwright.sync_api import expect


def by_passage(tab, saw):
    """By words alone, then the places themselves, and what is like one of them."""
    page = tab.page
    hits = page.locator(".hit")
    tab.open("#/search?q=agreement")
    page.select_option("#mode", "words")
    expect(hits.first).to_contain_text("words: no. 1")
    expect(hits.first).not_to_contain_text("alike")
    assert hits.first.locator("mark").first.inner_text().lower() == "agreement"
    page.select_option("#by", "passage")
    like = hits.first.get_by_role("link", name="passages like this")
    expect(like).to_be_visible()
    assert "mode=words&by=passage" in page.url, page.url
    tab.check("by passage")
    like.focus()
    tab.press("Enter")
    expect(page.get_by_role("button", name="like passage")).to_be_visible()
    expect(hits.first).to_contain_text("alike in meaning")
    page.get_by_role("button", name="like passage").click()
    expect(page.get_by_role("heading", name="How it finds")).to_be_visible()
    saw("by words, by passage, and passages like one")


def from_text_by_key(tab):
    """From a name in the text to the findings, with keys alone."""
    page = tab.page
    found = page.locator(".text .found").first
    expect(found).to_be_visible()
    expect(page.locator(".findings .lit")).to_have_count(0)
    found.focus()
    tab.press("Enter")
    expect(page.locator(".findings .lit").first).to_be_visible()
    expect(found).to_have_class(re.compile(r"\blit\b"))


def saved(page, name, asked=None):
    """The rows of an export; `asked` is in the address of one of the questions for them."""
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    with page.expect_download() as download:
        page.get_by_role("button", name=f"Export {name} as CSV").click()
    assert asked is None or any(asked in url for url in requests), requests
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text(encoding="utf-8"))))


def save_everything(tab, twin, saw):
    """Exports hold what a view stands for, and not only what it shows of it."""
    page = tab.page
    tab.open("#/search?q=agreement")
    shown = page.locator(".hit").count()
    assert len(saved(page, "search", "limit=100&offset=0")) == shown > 1
    tab.open("#/reports")
    rows = saved(page, "report")
    tables = {row["table"] for row in rows}
    assert {"kind", "sentiment by day", "verdict by day", "kind by day", "all decisions", "by reviewer", "by kind"} <= tables, tables
    assert any(row["table"] == "by reviewer" and row["what"] == "median_waited_seconds" for row in rows), rows
    twins = saved(page, "near-duplicates", "limit=100&offset=0")
    assert len(twins) == 2 and twins[0]["group"] == "1", twins
    tab.open("#/review")
    decided = saved(page, "decided-reviews", "state=decided,closed&limit=100")
    assert {row["decision"] for row in decided} >= {"approve", "correct"}, decided
    tab.open(f"#/documents/{twin}")
    assert len(saved(page, "similar")) == page.locator(".like").count() > 0
    saw("every view saved: search, reports, near-duplicates, decided reviews, similar documents")


def correct_text_and_reject(tab, report, saw):
    """A text that was corrected, and taken back; not where somebody else decided anew; rejected in the end."""
    page = tab.page
    ask = """([path, body]) => fetch(path, body && { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } })
        .then((answer) => answer.json())"""
    path = f"/v1/reviews/{report}"
    text = lambda: page.evaluate(ask, [f"/v1/documents/{report}", None])["document"]["text"]
    before = text()

    def correct(word):
        tab.open(f"#/review/{report}")
        page.get_by_text("Correct the text").click()
        area = page.get_by_role("textbox", name="Text of page 1")
        area.fill(f"{word}\n{area.input_value()}")
        expect(page.get_by_role("button", name="Save corrections")).to_be_visible()
        tab.press("Control+Enter")
        expect(page.locator("#toast")).to_contain_text(": correct")
        expect(page.locator("h1")).to_have_text("Review")
        tab.settle()
        assert text() == f"{word}\n{before}", text()

    correct("Proofread")
    tab.press("u")
    expect(page.locator(".history")).to_contain_text("reopened by ada")
    expect(page.locator(".history")).to_contain_text("text of page 1")
    tab.settle()
    assert text() == before, text()
    correct("Once more")
    seen = page.evaluate(ask, [path, None])
    seen = page.evaluate(ask, [f"{path}/reopen", {"by": "bob", "version": seen["version"]}])
    page.evaluate(ask, [f"{path}/decision", {"by": "bob", "action": "approve", "version": seen["version"]}])
    # The decision is bob's by now: that of ada is gone.
    tab.expect_answer(r"/reopen$", 409)
    tab.press("u")
    expect(page.locator("#toast")).to_contain_text("Somebody changed the review")
    assert page.evaluate(ask, [path, None])["decision"]["by"] == "bob"
    tab.open(f"#/review/{report}")
    page.get_by_role("button", name="Take the decision back").click()
    expect(page.get_by_role("button", name="Reject")).to_be_visible()
    tab.settle()
    tab.press("Escape", "x")
    expect(page.locator("#toast")).to_contain_text(": reject")
    expect(page.locator("h1")).to_have_text("Review")
    tab.open(f"#/documents/{report}")
    expect(page.locator(".lead .chip.reject").first).to_be_visible()
    saw("a text corrected and taken back; not what somebody else decided meanwhile; rejected by key")


def gpus_and_lag(tab, saw):
    """What the live flow says where there are GPUs and a topic that waits, of which this machine has none."""
    page = tab.page
    asked = 0

    def metrics(route):
        nonlocal asked
        asked += 1
        lines = ["quire_gpus 2", *(f'quire_gpu_seconds_total{{gpu="{gpu}",state="compute"}} {3 * asked}' for gpu in (0, 1)),
                 f'quire_gpu_seconds_total{{gpu="0",state="no_work"}} {2 * asked}', 'quire_lag_documents{lane="high"} 7', "quire_lag_seconds 300", "# EOF", ""]
        route.fulfill(body="\n".join(lines), content_type="application/openmetrics-text")

    page.route("**/metrics", metrics)
    tab.open("#/")
    facts = page.locator(".facts")
    expect(facts).to_contain_text("2 GPUs")
    # Three of both and two of one of them, a look: 6 to 2.
    expect(facts).to_contain_text("computes 75 %, no work 25 %")
    expect(facts).to_contain_text("high 7")
    expect(facts).to_contain_text("5 min of work")
    page.unroute("**/metrics")
    saw("the live flow with two GPUs, and a lane that waits")

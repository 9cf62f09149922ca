"""Reviewing with others: the next one for me, over to somebody else, and what was not found added."""

from playwright.sync_api import expect


def who(page, name):
    page.evaluate("name => localStorage.setItem('who', name)", name)


def add_field(page, name, value):
    page.get_by_role("button", name="Add a field").click()
    page.get_by_label("Name of the added field").fill(name)
    page.get_by_label("Value of the added field").fill(value)
    expect(page.get_by_role("button", name="Save corrections")).to_be_visible()


def read_again(tab, shots, name):
    """Read again as another kind, with what the server says there is to choose from."""
    page = tab.page
    tab.open("#/documents?kind=letter")
    page.get_by_role("link", name=name).click()
    tab.settle()
    page.get_by_role("button", name="Read again").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("engine")).to_contain_text("Tesseract")
    dialog.get_by_role("checkbox", name="eng").check()
    dialog.get_by_label("kind").fill("complaint")
    page.screenshot(path=shots / "again-light.png")
    tab.check("read again")
    with page.expect_response(lambda answer: answer.url.endswith("/reprocess")) as answer:
        dialog.get_by_role("button", name="Read it again").click()
    assert answer.value.status == 202, answer.value
    expect(page.locator("#toast")).to_contain_text(f"{name} is read again")
    for _ in range(100):
        tab.open("#/documents?kind=complaint")
        if page.get_by_role("link", name=name).count():
            return
        page.wait_for_timeout(1_000)
        page.reload()
    raise AssertionError("it was not read again as a complaint")


def work_together(tab, shots, saw):
    page = tab.page
    free = page.evaluate("fetch('/v1/reviews').then((answer) => answer.json()).then(({ reviews }) => reviews.filter((one) => !one.claim).length)")
    for _ in range(free):
        tab.open("#/review")
        tab.press("n")
        expect(page.get_by_role("status").filter(has_text="with ada")).to_be_visible()
    tab.open("#/review")
    tab.press("n")
    expect(page.locator("#toast")).to_contain_text("Nothing waits that fits")
    contract = page.evaluate("fetch('/v1/documents?kind=contract').then((answer) => answer.json()).then(({ documents }) => documents[0].id)")
    tab.open(f"#/review/{contract}")
    add_field(page, "file_number", "A-17")
    page.screenshot(path=shots / "added-light.png", full_page=True)
    tab.check("a field is added")
    page.get_by_label("priority").select_option("low")
    expect(page.locator(".history")).to_contain_text("priority by ada, low")
    page.get_by_role("button", name="Hand over").click()
    dialog = page.get_by_role("dialog")
    tab.check("hand over")
    dialog.get_by_label("name").fill("bob")
    dialog.get_by_role("button", name="Hand it over").click()
    expect(page.get_by_role("status").filter(has_text="with bob")).to_be_visible()
    who(page, "bob")
    page.reload()
    tab.settle()
    page.get_by_placeholder("Comment").fill("from the cover")
    page.get_by_role("button", name="Only comment").click()
    expect(page.locator("section", has=page.locator(".history"))).to_contain_text("from the cover")
    add_field(page, "file_number", "A-17")
    name = page.locator("h1").inner_text()
    # Who goes elsewhere before the next review is known stays there.
    held = []
    page.route("**/v1/reviews/next", lambda route: held.append(route))
    tab.press("Control+Enter")
    expect(page.locator("#toast")).to_contain_text(f"{name}: correct")
    while not held:
        page.wait_for_timeout(20)
    page.evaluate("location.hash = '#/documents?kind=contract'")
    expect(page.locator("h1")).to_have_text("Documents")
    with page.expect_response("**/v1/reviews/next"):
        held[0].continue_()
    page.unroute("**/v1/reviews/next")
    tab.settle()
    page.wait_for_timeout(200)
    expect(page.locator("h1")).to_have_text("Documents")
    page.get_by_role("link", name=name).click()
    tab.settle()
    expect(page.locator(".fact", has_text="A-17")).to_be_visible()
    who(page, "ada")
    saw("the next one for me; a field added, priority, handed over, commented and decided by the other")

"""A browser that forgives nothing: what the console, the network or the content policy complains of fails the test."""

import re
from pathlib import Path

import axe_playwright_python
from playwright.sync_api import expect

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
# A document is understood within this, on a slow machine as well; everything else at once.
PATIENCE = 120_000
expect.set_options(timeout=30_000)

CHROMIUM = [
    "--no-sandbox",  # runs as root, as in containers; it opens nothing but the page under test
    "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]


class Tab:
    """A tab on the page under test, with everything it did wrong."""

    def __init__(self, browser, base, theme="light", size=None):
        self.base = base
        self.complaints = []
        self.expected = []
        self.context = browser.new_context(
            viewport=size or WIDE, color_scheme=theme, reduced_motion="reduce", locale="en-GB", accept_downloads=True)
        self.page = self.context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", self._request)
        self.page.on("response", self._response)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('policy: ' + e.violatedDirective + ' ' + e.blockedURI))")

    def _console(self, message):
        if message.type not in ("error", "warning"):
            return
        where = message.location.get("url", "") if message.location else ""
        if not any(re.search(pattern, where) for pattern, _ in self.expected):
            self.complaints.append(f"console: {message.text} {where}")

    def _failed(self, request):
        # Leaving a view ends what it still asks for.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"request: {request.url}: {request.failure}")

    def _request(self, request):
        if not request.url.startswith((self.base, "blob:", "data:")):
            self.complaints.append(f"request to elsewhere: {request.url}")

    def _response(self, response):
        known = any(re.search(pattern, response.url) and status == response.status for pattern, status in self.expected)
        if response.status >= 400 and not known:
            self.complaints.append(f"answer {response.status}: {response.url}")

    def expect_answer(self, pattern, status):
        """This answer is part of the test."""
        self.expected.append((pattern, status))

    def open(self, way):
        self.page.goto(f"{self.base}/{way}")
        self.settle()

    def settle(self):
        """Waits until the view has drawn what it asked for."""
        expect(self.page.locator("#main:not([aria-busy]) h1")).to_be_visible()
        expect(self.page.locator(".loading")).to_have_count(0, timeout=60_000)
        expect(self.page.get_by_text("Looking …")).to_have_count(0)

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def check_size(self, view):
        """Nothing went wrong so far, and nothing sticks out of the screen."""
        assert not self.complaints, f"{view}: {self.complaints}"
        wide = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"{view} is wider than the screen: {wide}"

    def check(self, view):
        """That, and axe finds nothing serious; how much it finds that is not."""
        self.check_size(view)
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE)
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        told = [f"{one['id']} ({one['impact']}): {one['help']}: {[n['html'][:200] for n in one['nodes'][:3]]}" for one in serious]
        assert not told, f"{view}: " + "\n".join(told)
        return len(found)

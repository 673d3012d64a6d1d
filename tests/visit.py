"""A visit to the page in a real browser: the fixtures `visit` and `browser`, and helpers of the tests that use
them.

A test that visits fails on a console error or a request to elsewhere.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import chromium

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
PATIENCE = 300_000  # milliseconds; not a wait: on a busy machine a page is slow
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator["sync_api.Browser"]:
    found = chromium.find()
    if found is None:
        message = "there is no Chromium or Chrome; `make test` fetches one"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=chromium.flags())
        yield launched
        launched.close()


def new_context(browser, **settings: object) -> "sync_api.BrowserContext":
    """A visitor's own tabs and storage; the only way to one in the tests, for Playwright's own patience is 30
    seconds."""
    context = browser.new_context(**settings)
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Open the page as a new visitor; whatever the browser complains of, or asks of another machine, fails
    the test."""
    contexts, complaints = [], []

    def come(width: int = 1280, height: int = 900, link: str = "", **settings: object) -> "sync_api.Page":
        context = new_context(browser, viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else complaints.append(request.url)
            ),
        )
        page.goto(link or address)
        expect(ask(page)).to_be_visible()
        if not link:
            expect(page.get_by_text("Open, paste or drop a medical image")).to_be_visible()
        return page

    @contextmanager
    def disturbed() -> Iterator[None]:
        """What the browser says of requests that are broken off in here is no complaint."""
        before = len(complaints)
        yield
        del complaints[before:]

    def again(page: "sync_api.Page") -> None:
        """Load the page again."""
        with disturbed():
            page.reload()

    come.again, come.disturbed = again, disturbed
    yield come
    for context in contexts:
        context.close()
    assert complaints == [], complaints


def ask(page) -> "sync_api.Locator":
    return page.get_by_role("button", name="Ask", exact=True)


def reasoning(page) -> "sync_api.Locator":
    """The text, which is folded away once the answer is there."""
    return page.locator("#answer .reasoning-text")


def headline(page) -> "sync_api.Locator":
    return page.locator("#answer .headline")


def why(page) -> None:
    """Unfold the reasoning of an answer."""
    page.locator("#answer summary", has_text="Why").click()


def details(page) -> "sync_api.Locator":
    """The machine's figures, unfolded."""
    page.locator("#answer summary", has_text="Details").click()
    return page.get_by_role("region", name="Answer", exact=True)


def open_example(page, kind: str) -> None:
    """Open an example, without asking its question as a click would."""
    if not page.locator("#examples").is_visible():
        page.get_by_role("button", name="Examples", exact=True).click()
    page.get_by_role("group", name="Examples").get_by_role("button", name=kind).dispatch_event("open")
    expect(status(page)).to_have_text("Ready")


def status(page) -> "sync_api.Locator":
    return page.get_by_role("status", name="State of the run")


def upload(page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open image").click()
    chooser.value.set_files(path)


def opened(page, path: Path) -> "sync_api.Locator":
    """Upload `path` and wait for its image."""
    upload(page, path)
    image = page.get_by_role("img", name="The opened image")
    expect(image).to_be_visible()
    expect(status(page)).to_have_text("Ready")
    return image


def put(page, question: str) -> None:
    page.get_by_label("Question").fill(question)
    ask(page).click()


def finished(page) -> None:
    expect(status(page)).to_have_text("Done")


def place(page, box: tuple[float, ...], size: tuple[int, int]) -> list[float]:
    """Where `box` in image pixels must be on the screen: x, y, width, height."""
    frame = page.get_by_role("img", name="The opened image").bounding_box()
    sx, sy = frame["width"] / size[0], frame["height"] / size[1]
    return [
        frame["x"] + box[0] * sx,
        frame["y"] + box[1] * sy,
        (box[2] - box[0]) * sx,
        (box[3] - box[1]) * sy,
    ]


def drawn(page, selector: str) -> list[float]:
    """Where the drawing is on the screen, without the width of its line: x, y, width, height."""
    return page.locator(selector).evaluate(
        """shape => { const box = shape.getBBox(), m = shape.getScreenCTM();
        return [m.e + box.x * m.a, m.f + box.y * m.d, box.width * m.a, box.height * m.d]; }"""
    )


STILL = """() => Promise.allSettled(document.getAnimations()
  .filter(each => each.effect.getComputedTiming().iterations !== Infinity).map(each => each.finished))"""


def serious(page) -> list[dict]:
    """What axe-core finds wrong with the page: each serious rule with the elements that break it.

    A button that is just being enabled fades from one colour to another, and its contrast is measured in the
    middle: what is found is looked for again once the page stands still.
    """
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    ).Axe()
    for _ in range(3):
        page.evaluate(STILL)
        violations = axe.run(page).response["violations"]
        broken = [rule for rule in violations if rule["impact"] in ("serious", "critical")]
        if not broken:
            break
        page.wait_for_timeout(300)
    return [{rule["id"]: [node["html"][:150] for node in rule["nodes"]]} for rule in broken]

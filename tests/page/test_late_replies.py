"""On a slow line the server's answer to a click may come after everything that the click has brought about.
Gradio's page then shows all of it at once.
"""

import time

import pytest

from tests.recorded_page import ENDLESS, WHAT
from tests.visit import ask, expect, finished, headline, open_example, opened, put, status

pytestmark = pytest.mark.browser
LATE = 2.0  # seconds, more than a recorded answer takes


def answer_late(route) -> None:
    """Let the server take the click, and hold back its answer."""
    reply = route.fetch()
    time.sleep(LATE)
    route.fulfill(response=reply)


@pytest.fixture
def slow(visit):
    page = visit()
    page.route("**/queue/join*", answer_late)
    return page


def test_an_image_an_answer_and_a_stop_are_shown_where_replies_are_late(slow, files):
    opened(slow, files / "scan.png")
    put(slow, WHAT)
    finished(slow)
    expect(headline(slow)).to_contain_text(WHAT)
    expect(slow.locator("#viewer .box .line")).to_be_visible()
    expect(slow.locator("#downloads").get_by_role("button").first).to_be_visible()
    put(slow, ENDLESS)
    slow.get_by_role("button", name="Stop").click()
    expect(status(slow)).to_have_text("Stopped")
    expect(ask(slow)).to_be_enabled()


def test_an_example_is_shown_where_replies_are_late(slow):
    open_example(slow, "Ultrasound")
    expect(slow.get_by_role("img", name="The opened image")).to_be_visible()
    expect(slow.get_by_label("Question")).to_have_value(WHAT)

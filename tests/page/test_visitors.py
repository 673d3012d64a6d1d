"""Visitors in a real browser: each sees only their own image and answer, they wait for each other in line, and
nothing of a visit is kept once it is over.
"""

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from medreasoner.page.session import Session
from tests.recorded_page import ELSEWHERE, ENDLESS, READING, THOUGHT, WHAT
from tests.visit import expect, finished, opened, put, reasoning, status

pytestmark = pytest.mark.browser


def test_two_visitors_see_their_own_images_and_answers(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    opened(second, files / "strip.png")
    put(first, WHAT)
    put(second, ELSEWHERE)
    finished(first)
    finished(second)
    expect(reasoning(first)).to_have_text(THOUGHT)
    expect(reasoning(second)).to_have_text("A short second thought.")
    expect(first.get_by_text("640 × 480 px")).to_be_visible()
    expect(second.get_by_text("900 × 60 px")).to_be_visible()


def test_a_visitor_who_leaves_makes_room_for_the_next(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    put(first, ENDLESS)
    expect(reasoning(first)).to_contain_text("word9")
    opened(second, files / "scan.png")
    put(second, ELSEWHERE)
    expect(status(second)).to_contain_text("Waiting for a free place")
    first.close()
    finished(second)


def test_a_visitor_in_line_can_leave_it_and_ask_again(visit, files):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    opened(second, files / "scan.png")
    put(first, ENDLESS)
    expect(reasoning(first)).to_contain_text("word9")
    put(second, WHAT)
    expect(status(second)).to_contain_text("Waiting for a free place")
    second.get_by_role("button", name="Stop").click()
    expect(status(second)).to_have_text("Stopped")
    first.get_by_role("button", name="Stop").click()
    put(second, ELSEWHERE)
    finished(second)
    expect(reasoning(second)).to_have_text("A short second thought.")


@pytest.fixture
def reading_waits() -> Iterator[threading.Event]:
    """The model reads an image only once the test has set this."""
    READING.clear()
    yield READING
    READING.set()


def test_another_example_while_the_model_still_reads_the_first_can_be_asked_about(visit, reading_waits):
    page = visit()
    page.get_by_role("group", name="Examples").get_by_role("button", name="Ultrasound").click()
    expect(status(page)).to_have_text("Reading the image")
    page.get_by_role("button", name="Examples", exact=True).click()
    page.get_by_role("group", name="Examples").get_by_role("button", name="X-ray").click()
    expect(page.get_by_text("900 × 60 px")).to_be_visible()
    expect(status(page)).to_contain_text("Waiting for a free place")
    reading_waits.set()
    finished(page)
    expect(reasoning(page)).to_have_text("A short second thought.")


def test_a_question_in_line_that_was_left_is_never_answered_on_the_next_image(visit, files, reading_waits):
    first, second = visit(), visit()
    opened(first, files / "scan.png")
    put(first, ELSEWHERE)
    expect(status(first)).to_have_text("Reading the image")
    opened(second, files / "scan.png")
    put(second, WHAT)
    expect(status(second)).to_contain_text("Waiting for a free place")
    opened(second, files / "strip.png")
    put(second, ELSEWHERE)
    expect(status(second)).to_contain_text("Waiting for a free place")
    reading_waits.set()
    finished(first)
    finished(second)
    expect(reasoning(second)).to_have_text("A short second thought.")


def test_nothing_of_a_visit_is_kept_once_the_visitor_has_left(visit, files, served):
    visits = served.demo.state_holder.session_data
    before = set(visits)
    page = visit()
    opened(page, files / "scan.png")
    put(page, ELSEWHERE)
    finished(page)
    [mine] = [kept for name, kept in visits.items() if name not in before]
    [session] = [value for value in mine.state_data.values() if isinstance(value, Session)]
    gone = threading.Event()
    weakref.finalize(session, gone.set)
    del mine, session
    page.context.close()
    for _ in range(
        240
    ):  # the garbage collector has to be asked, for Gradio's objects refer to each other in circles
        gc.collect()
        if gone.wait(0.5):
            break
    assert gone.is_set()
    assert set(visits) <= before

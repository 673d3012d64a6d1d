"""The answer of the real embedded model in a real browser, and what lies around it: what is refused leaves it
alone, its words light their place, and low, enlarged and keyboard-only pages show it.
"""

import re
from collections.abc import Iterator

import pytest

from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from tests.recorded_page import serving
from tests.visit import (
    ask,
    details,
    drawn,
    expect,
    finished,
    headline,
    open_example,
    opened,
    put,
    reasoning,
    serious,
    status,
    upload,
    why,
)

pytestmark = pytest.mark.browser
EXAMPLE = next(each for each in load_examples() if each.modality == "Ultrasound")


@pytest.fixture(scope="module")
def address(embedded) -> Iterator[str]:
    for served in serving(Page(embedded, [EXAMPLE])):
        yield served.demo.local_url


def answered(visit, width: int = 1280, height: int = 900):
    page = visit(width, height)
    opened(page, EXAMPLE.image)
    put(page, EXAMPLE.question)
    finished(page)
    return page


def test_what_is_refused_leaves_the_answer_and_everything_that_goes_with_it(visit, tmp_path):
    page = answered(visit)
    told = headline(page).text_content()
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(b"%PDF-1.4\n1 0 obj")
    upload(page, letter)
    expect(status(page)).to_contain_text("got a PDF")
    put(page, " ")
    expect(status(page)).to_contain_text("The question is empty")
    put(page, "x" * 3000)
    expect(status(page)).to_contain_text("3,000 characters long; at most 2,000")
    for name in ("Include", "Exclude", "Undo"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    expect(headline(page)).to_have_text(told)
    page.get_by_role("button", name="Exclude").click()
    page.locator("#viewer .stage").click()
    expect(status(page)).to_contain_text("Outlined again in")
    assert not serious(page)


def test_a_place_word_of_its_reasoning_lights_the_box_and_the_fold_stays_as_it_was_left(visit):
    page = answered(visit)
    expect(page.locator("#answer details.reasoning")).not_to_have_attribute("open", re.compile(".*"))
    why(page)
    word = reasoning(page).locator(".place").first
    word.scroll_into_view_if_needed()
    word.hover()
    light = page.locator("#viewer .light path").get_attribute("d")
    x1, y1, y2, x2 = map(float, re.search(r"ZM([\d.]+) ([\d.]+)V([\d.]+)H([\d.]+)V", light).groups())
    sides = re.search(r"x (\d+) – (\d+), y (\d+) – (\d+)", details(page).text_content())
    assert (x1, x2, y1, y2) == pytest.approx([int(each) for each in sides.groups()], abs=1)
    put(page, EXAMPLE.question)
    finished(page)
    expect(reasoning(page)).to_be_visible()


def test_a_tiny_box_drawn_by_hand_keeps_its_handles_outside_itself(visit):
    page = answered(visit)
    frame = page.get_by_role("img", name="The opened image").bounding_box()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    x, y = frame["x"] + frame["width"] / 4, frame["y"] + frame["height"] / 4
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 14, y + 14, steps=4)
    page.mouse.up()
    expect(status(page)).to_contain_text("Outlined again in")
    left, top, width, height = drawn(page, "#viewer .box .line")
    for corner in page.get_by_role("button", name=re.compile("^Box, .* corner$")).all():
        at = corner.bounding_box()
        middle = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
        assert not (left < middle[0] < left + width and top < middle[1] < top + height)


def in_view(page, width: int) -> None:
    """The reasoning can be scrolled to, and nothing sticks out sideways."""
    reasoning(page).scroll_into_view_if_needed()
    expect(reasoning(page)).to_be_in_viewport()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_low_page_has_room_for_the_reasoning(visit):
    page = answered(visit, 1280, 640)
    why(page)
    in_view(page, 1280)
    details(page)
    assert page.locator("#answers").bounding_box()["height"] >= 120
    in_view(page, 1280)
    expect(ask(page)).to_be_in_viewport(ratio=1)


def test_an_enlarged_page_has_room_for_the_reasoning(visit):
    page = answered(visit, 640, 450)  # 200 %, and then 400 %: a visitor enlarges a page that is there
    why(page)
    dock = "getComputedStyle(document.querySelector('#question-form')).position"
    for width, height in ((640, 450), (320, 225)):
        page.set_viewport_size({"width": width, "height": height})
        in_view(page, width)
        assert page.evaluate(dock) == "static", "nothing lies over the answer"


def test_by_keyboard_alone_the_question_comes_early_and_the_keys_are_told(visit):
    page = visit()
    stops = []
    for _ in range(5):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.tagName"))
    assert "TEXTAREA" in stops
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    open_example(page, EXAMPLE.modality)
    truth = page.get_by_role("button", name="Expert outline")
    expect(truth).to_be_disabled()
    page.get_by_label("Question").focus()
    page.keyboard.press("Control+Enter")
    finished(page)
    expect(truth).to_be_enabled()

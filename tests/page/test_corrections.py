"""Corrections in a real browser: what is dragged, clicked or moved by key is outlined again at once, and can
be undone."""

import re

import pytest

from tests.visit import ELSEWHERE, WHAT, ask, drawn, expect, finished, opened, place, put, status

pytestmark = pytest.mark.browser
SIZE = (640, 480)


@pytest.fixture
def answered(visit, files):
    """A page whose question has been answered: the box is 160, 96 – 400, 288."""
    page = visit()
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    page.get_by_role("img", name="The opened image").hover()
    return page


def outlined_again(page) -> None:
    expect(status(page)).to_contain_text("Outlined again in")
    expect(page.locator("#viewer .mask.stale")).to_have_count(0)


def at(page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the image is on the screen."""
    return tuple(place(page, (x, y, x, y), SIZE)[:2])


def test_a_dragged_corner_moves_the_box_and_the_mask_and_undo_brings_them_back(answered):
    page = answered
    before = page.locator("#viewer .mask path").get_attribute("d")
    page.mouse.move(*at(page, 160, 96))
    page.mouse.down()
    page.mouse.move(*at(page, 120, 60), steps=3)
    page.mouse.up()
    outlined_again(page)
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("by hand")
    expect(answer).to_contain_text("x 120 – 400, y 60 – 288")
    assert drawn(page, "#viewer .mask path") == pytest.approx(place(page, (120, 60, 400, 288), SIZE), abs=3)
    page.get_by_role("button", name="Undo").click()
    expect(answer).to_contain_text("x 160 – 400, y 96 – 288")
    expect(page.locator("#viewer .mask path")).to_have_attribute("d", before)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_clicks_include_and_exclude_and_the_original_question_clears_them(answered):
    page = answered
    page.get_by_role("button", name="Include").click()
    page.mouse.click(*at(page, 500, 400))
    outlined_again(page)
    expect(page.get_by_role("button", name=re.compile(r"Included, at (499|500), (399|400)"))).to_be_visible()
    assert drawn(page, "#viewer .mask path")[2] == pytest.approx(
        place(page, (160, 96, 511, 410), SIZE)[2], abs=4
    )
    page.get_by_role("button", name="Exclude").click()
    page.mouse.click(*at(page, 200, 200))
    expect(page.get_by_role("region", name="Answer")).to_contain_text("by hand, 1 included, 1 excluded")
    put(page, ELSEWHERE)
    finished(page)
    expect(page.get_by_role("button", name="Included")).to_have_count(0)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()


def test_everything_can_be_corrected_by_keyboard(answered):
    page = answered
    page.get_by_role("button", name="Box, bottom right corner").focus()
    for _ in range(4):
        page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    answer = page.get_by_role("region", name="Answer")
    expect(answer).to_contain_text("x 160 – 440, y 96 – 289")
    page.get_by_role("button", name="Point 2").focus()
    page.keyboard.press("ArrowLeft")
    expect(answer).to_contain_text("2 at 319, 200")
    page.keyboard.press("e")
    page.get_by_role("group", name="Image, moved by the arrow keys").focus()
    page.keyboard.press("Enter")
    expect(answer).to_contain_text("1 excluded")
    expect(page.get_by_role("button", name="Excluded, at 300, 193")).to_be_focused()
    page.keyboard.press("Delete")
    expect(answer).not_to_contain_text("excluded")
    page.keyboard.press("u")
    expect(answer).to_contain_text("1 excluded")


def test_a_correction_never_lands_on_the_next_image(answered, files):
    page = answered
    opened(page, files / "strip.png")
    expect(page.get_by_role("button", name="Box, top left corner")).to_have_count(0)
    expect(page.get_by_role("button", name="Include")).to_be_hidden()
    expect(ask(page)).to_be_enabled()


def test_the_true_outline_and_the_scores_show_on_request(visit):
    page = visit()
    page.get_by_role("group", name="Examples").get_by_role("button", name="Ultrasound").click()
    expect(status(page)).to_have_text("Ready")
    ask(page).click()
    finished(page)
    scores = page.get_by_text("Dice 0.88, IoU 0.79")
    expect(scores).to_be_hidden()
    page.keyboard.press("g")
    expect(scores).to_be_visible()
    expect(page.get_by_text("box IoU 1.00")).to_be_visible()
    assert drawn(page, "#viewer .truth .line") == pytest.approx(place(page, (160, 96, 400, 288), SIZE), abs=1)
    expect(page.get_by_role("button", name="Truth")).to_have_attribute("aria-pressed", "true")

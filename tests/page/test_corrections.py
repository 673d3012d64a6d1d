"""Corrections in a real browser: what is dragged, clicked or moved by key is outlined again at once, and can
be undone."""

import re

import pytest

from tests.recorded_page import ELSEWHERE, SMALL, WHAT
from tests.visit import ask, details, drawn, expect, finished, open_example, opened, place, put, status

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
    answer = details(page)
    expect(answer).to_contain_text("by hand")
    expect(answer).to_contain_text("x 120 – 400, y 60 – 288")
    assert drawn(page, "#viewer .mask path") == pytest.approx(place(page, (120, 60, 400, 288), SIZE), abs=3)
    page.get_by_role("button", name="Undo").click()
    expect(answer).to_contain_text("x 160 – 400, y 96 – 288")
    expect(page.locator("#viewer .mask path")).to_have_attribute("d", before)
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    expect(answer).not_to_contain_text("by hand")
    page.get_by_role("button", name="Redo", exact=True).click()
    outlined_again(page)
    expect(answer).to_contain_text("x 120 – 400, y 60 – 288")


def test_the_inside_of_the_box_moves_it_and_a_new_one_can_be_drawn(answered):
    page = answered
    page.mouse.move(*at(page, 280, 150))
    page.mouse.down()
    page.mouse.move(*at(page, 330, 170), steps=4)
    page.mouse.up()
    outlined_again(page)
    answer = details(page)
    expect(answer).to_contain_text(
        re.compile(r"x (209|210|211) – (449|450|451), y (115|116|117) – (307|308|309)")
    )
    expect(answer).to_contain_text(re.compile(r"1 at (299|300|301), (199|200|201)"))
    page.keyboard.press("d")
    page.mouse.move(*at(page, 20, 40))
    page.mouse.down()
    page.mouse.move(*at(page, 120, 100), steps=4)
    page.mouse.up()
    expect(answer).to_contain_text(re.compile(r"x (19|20|21) – (119|120|121), y (39|40|41) – (99|100|101)"))
    page.keyboard.press("u")
    page.keyboard.press("u")
    expect(answer).to_contain_text("x 160 – 400, y 96 – 288")
    page.keyboard.press("Shift+U")
    expect(answer).to_contain_text(re.compile(r"x (209|210|211) – "))


def test_nothing_covers_a_small_target(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, SMALL)
    finished(page)
    box = place(page, (100, 90, 108, 97), SIZE)
    for name in ("Point 1", "Point 2"):
        disc = page.get_by_role("button", name=name).bounding_box()
        assert disc["x"] + disc["width"] <= box[0] or disc["x"] >= box[0] + box[2]
    assert page.locator("#viewer .leaders .line").get_attribute("d").count("M") == 2


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
    expect(details(page)).to_contain_text("by hand, 1 included, 1 excluded")
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
    answer = details(page)
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
    expect(page.get_by_role("button", name="Expert outline")).to_have_count(0)
    open_example(page, "Ultrasound")
    expect(page.get_by_role("button", name="Expert outline")).to_be_disabled()
    ask(page).click()
    finished(page)
    details(page)
    scores = page.get_by_text("Dice 0.88, IoU 0.79")
    expect(scores).to_be_hidden()
    page.keyboard.press("g")
    expect(scores).to_be_visible()
    expect(page.get_by_text("box IoU 1.00")).to_be_visible()
    assert drawn(page, "#viewer .truth .line") == pytest.approx(place(page, (160, 96, 400, 288), SIZE), abs=1)
    expect(page.get_by_role("button", name="Expert outline")).to_have_attribute("aria-pressed", "true")

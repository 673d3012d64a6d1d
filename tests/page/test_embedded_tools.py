"""What a visitor does with hand, wheel and fingers, in a real browser with the real embedded model: ruler,
window, zoom, files that are pasted or dropped, two examples in a hurry, a connection that is lost.
"""

import base64
import re
from collections.abc import Iterator

import pytest

from medreasoner.page.examples import load_examples
from medreasoner.page.page import Page
from tests.network_line import NetworkLine
from tests.page.test_states import drop
from tests.page.test_viewer import pinch
from tests.recorded_page import serving
from tests.visit import (
    details,
    drawn,
    expect,
    finished,
    headline,
    open_example,
    opened,
    place,
    put,
    reasoning,
    status,
)

pytestmark = pytest.mark.browser
ULTRASOUND, CHEST = (
    next(each for each in load_examples() if each.modality == kind) for kind in ("Ultrasound", "X-ray")
)
SIDES = re.compile(r"x (\d+) – (\d+), y (\d+) – (\d+)")
SIZE = re.compile(r"(\d+) × (\d+) px")
PASTE = """async data => {
  const bytes = Uint8Array.from(atob(data), character => character.charCodeAt(0));
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([bytes], "given.png", {type: "image/png"}));
  document.body.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def line(embedded) -> Iterator[NetworkLine]:
    for served in serving(Page(embedded, [ULTRASOUND, CHEST])):
        yield NetworkLine(served.demo.local_url)


@pytest.fixture(scope="module")
def address(line) -> str:
    return line.address


def shown_where_it_is_told(page) -> None:
    """The drawn box lies on the pixels that the details name."""
    x1, x2, y1, y2 = (int(each) for each in SIDES.search(details(page).text_content()).groups())
    size = [int(each) for each in SIZE.search(page.locator("#viewer").text_content()).groups()]
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, (x1, y1, x2, y2), size), abs=2)


def test_zoom_by_wheel_and_pan_keep_the_models_box_on_its_pixels(visit):
    page = visit()
    opened(page, ULTRASOUND.image)
    put(page, ULTRASOUND.question)
    finished(page)
    image = page.get_by_role("img", name="The opened image").bounding_box()
    page.mouse.move(image["x"] + image["width"] * 0.4, image["y"] + image["height"] * 0.4)
    page.mouse.wheel(0, -500)
    expect(page.get_by_role("button", name="Fit the image")).to_have_text("2.1×")
    shown_where_it_is_told(page)


def test_two_fingers_keep_the_models_box_on_its_pixels(visit):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    image = opened(page, ULTRASOUND.image)
    put(page, ULTRASOUND.question)
    finished(page)
    image.scroll_into_view_if_needed()
    fit = image.bounding_box()
    x, y = fit["x"] + fit["width"] / 2, fit["y"] + fit["height"] / 2
    pinch(page, *(((x - apart, y), (x + apart, y)) for apart in range(30, 61, 5)))
    expect(page.get_by_role("button", name="Fit the image")).to_have_text("2.0×")
    shown_where_it_is_told(page)


def test_ruler_and_window_leave_the_answer_as_it_is(visit, files):
    page = visit()
    image = opened(page, files / "slice.dcm")
    put(page, "Where is the liver?")
    finished(page)
    told = headline(page).text_content()
    page.get_by_role("button", name="Window and level").click()
    panel = page.get_by_role("group", name="Window and level")
    panel.get_by_role("combobox", name="Preset").select_option("CT bone")
    expect(panel.locator("output")).to_have_text("-500 to 1300 HU")
    expect(page.get_by_text("window CT bone")).to_be_visible()
    panel.get_by_role("slider", name="Window").fill("400")
    expect(panel.locator("output")).to_have_text("200 to 600 HU")
    expect(page.get_by_text("window 400/400")).to_be_visible()
    expect(page.get_by_role("combobox", name="Window")).to_have_count(0)
    page.get_by_role("button", name="Ruler").click()
    at = image.bounding_box()
    y = at["y"] + at["height"] / 2
    page.mouse.move(at["x"] + at["width"] / 4, y)
    page.mouse.down()
    page.mouse.move(at["x"] + at["width"] * 3 / 4, y, steps=4)
    page.mouse.up()
    length = page.locator("#viewer .ruler-length")
    expect(length).to_have_text(re.compile(r"^(39|40)\.\d mm$"))  # 80 pixels of half a millimetre
    page.keyboard.press("Escape")
    expect(length).to_be_hidden()
    expect(headline(page)).to_have_text(told)
    expect(status(page)).to_have_text("Done")


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_a_pasted_or_dropped_image_is_answered(visit, kind):
    page = visit()
    if kind == "drop":
        drop(page, ULTRASOUND.image)
    else:
        page.evaluate(PASTE, base64.b64encode(ULTRASOUND.image.read_bytes()).decode())
    expect(page.get_by_role("img", name="The opened image")).to_be_visible()
    expect(status(page)).to_have_text("Ready")
    put(page, ULTRASOUND.question)
    finished(page)
    expect(page.locator("#viewer .mask path")).to_have_attribute("d", re.compile("^M"))


def test_a_second_example_while_the_first_is_being_answered_is_answered_itself(visit):
    page = visit()
    cards = page.get_by_role("group", name="Examples")
    cards.get_by_role("button", name=ULTRASOUND.question).click()
    page.get_by_role("button", name="Examples", exact=True).click()
    cards.get_by_role("button", name=CHEST.question).click()
    finished(page)
    expect(headline(page)).to_contain_text(CHEST.question)
    expect(page.get_by_label("Question")).to_have_value(CHEST.question)


@pytest.mark.parametrize("own", [False, True], ids=["example", "own image"])
def test_a_connection_lost_in_mid_answer_says_what_is_gone_and_keeps_the_question(visit, line, own):
    page = visit()
    if own:
        opened(page, CHEST.image)
    else:
        open_example(page, CHEST.modality)
    put(page, CHEST.question)
    expect(reasoning(page)).not_to_be_empty()
    with visit.disturbed():
        with line.cut():
            page.wait_for_timeout(3000)
        expect(status(page)).to_contain_text("open the image again" if own else "the example is open again")
    expect(page.get_by_label("Question")).to_have_value(CHEST.question)
    if own:
        opened(page, CHEST.image)
    put(page, CHEST.question)
    finished(page)
    expect(headline(page)).to_contain_text(CHEST.question)

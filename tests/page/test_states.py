"""States and rooms of the page in a real browser that are easily lost: what is held, dropped, linked and
drawn, and wide windows."""

import io
import re

import pydicom
import pytest

from tests.page.test_picture import series  # noqa: F401 (a fixture)
from tests.page.test_viewer import taken_home
from tests.recorded_page import ELSEWHERE, ENDLESS, HARDLY, SMALL, SPARSE, WHAT
from tests.visit import (
    ask,
    details,
    drawn,
    expect,
    finished,
    headline,
    open_example,
    opened,
    place,
    put,
    status,
    upload,
)

pytestmark = pytest.mark.browser
WATCH_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver(list => window.shifts.push(...list.getEntries().map(entry => entry.value)))
    .observe({type: "layout-shift", buffered: false});
}"""


def drop(page, path) -> None:
    """Drop a file or folder on the image, as the system's file manager would."""
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    where = page.locator("#viewer").bounding_box()
    at = {"x": where["x"] + where["width"] / 2, "y": where["y"] + where["height"] / 2}
    for kind in ("dragEnter", "dragOver", "drop"):
        devtools.send("Input.dispatchDragEvent", {"type": kind, "data": data, **at})


def test_a_dropped_folder_is_one_stack(visit, series):  # noqa: F811
    page = visit()
    drop(page, series[0].parent)
    expect(page.get_by_text("12 slices of one series are a stack.")).to_be_visible()


def test_the_mask_is_filled_while_m_is_held_and_its_axes_are_drawn_on_request(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    status(page).click()  # out of the field
    mask, axes = page.locator("#viewer .mask path"), page.locator("#viewer .axes")
    expect(mask).to_have_css("fill", "none")
    page.keyboard.down("m")
    expect(mask).to_have_css("fill", re.compile(r"0\.25\)|/ 25%|/ 0\.25"))
    page.keyboard.up("m")
    expect(mask).to_have_css("fill", "none")

    expect(axes).to_have_css("visibility", "hidden")
    page.keyboard.press("a")
    expect(axes).to_have_css("visibility", "visible")
    expect(page.get_by_role("button", name="Axes layer")).to_have_attribute("aria-pressed", "true")
    oval = place(page, (160, 96, 400, 288), (640, 480))  # its axes are those of its box
    assert drawn(page, "#viewer .axes .line") == pytest.approx(oval, abs=4)
    expect(details(page)).to_contain_text(re.compile(r"Axes\s*24\d\.\d × 19\d\.\d px"))
    opened(page, files / "strip.png")
    expect(page.get_by_role("button", name="Axes layer")).to_be_disabled()


def test_a_mask_that_hardly_fills_its_box_says_so(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, SPARSE)
    finished(page)
    expect(page.locator("#answer .notes")).to_contain_text(
        re.compile(r"The mask fills only 0\.\d% of its box \(\d+ pixels\); it may have missed the target\.")
    )
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, HARDLY, (640, 480)), abs=1)
    put(page, WHAT)
    finished(page)
    expect(page.locator("#answer .notes")).to_be_hidden()


def test_a_segmentation_is_named_after_its_target_and_says_what_it_is_when_it_is_opened(
    visit, files, tmp_path
):
    page = visit()
    opened(page, files / "slice.dcm")
    put(page, SMALL)
    finished(page)
    name, data = taken_home(page, "DICOM-SEG")
    (segment,) = pydicom.dcmread(io.BytesIO(data)).SegmentSequence
    assert name == "slice-kidney-stone-mask.dcm" and segment.SegmentLabel.lower() == "kidney stone"
    (tmp_path / name).write_bytes(data)
    upload(page, tmp_path / name)
    expect(page.get_by_text("This file is a segmentation (DICOM-SEG)")).to_be_visible()


def test_a_link_to_an_examples_answer_plays_its_recording_once(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    open_example(page, "Ultrasound")
    ask(page).click()
    finished(page)
    notes = "This is a recorded run of tests (recorded), the same for everybody who follows this link."
    expect(page.locator("#answer")).not_to_contain_text(notes)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    again = visit(link=page.url)
    finished(again)
    expect(headline(again)).to_contain_text(WHAT)
    expect(again.locator("#answer")).to_contain_text(notes)
    assert drawn(again, "#viewer .box .line") == pytest.approx(drawn(page, "#viewer .box .line"), abs=1)
    ask(again).click()
    expect(again.locator("#answer")).not_to_contain_text(notes)
    finished(again)


@pytest.mark.parametrize("width, height", [(1920, 1080), (1200, 800)])
def test_a_wide_window_is_used_and_two_answers_stand_side_by_side(visit, files, width, height):
    page = visit(width, height)
    cards = page.get_by_role("group", name="Examples").get_by_role("button")
    for card in cards.all():
        expect(card).to_be_in_viewport(ratio=1)
    opened(page, files / "scan.png")
    for question in (WHAT, ELSEWHERE):
        put(page, question)
        expect(headline(page)).to_contain_text(question)
        finished(page)
    image, answer = (
        page.locator("#image-column").bounding_box(),
        page.locator("#answer-column").bounding_box(),
    )
    assert image["x"] < 0.05 * width and answer["x"] + answer["width"] > 0.95 * width
    assert answer["x"] > image["x"] + image["width"] and answer["width"] >= 420
    page.get_by_role("button", name=f"Compare with: {WHAT}").click()
    expect(page.locator("#comparison .headline")).to_be_visible()
    first = headline(page).bounding_box()
    second = page.locator("#comparison .headline").bounding_box()
    assert second["x"] >= first["x"] + first["width"] and abs(second["y"] - first["y"]) <= 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_tools_are_one_line_from_1200_pixels_also_beside_a_comparison(visit):
    page = visit(1200, 800)
    open_example(page, "Ultrasound")  # the one with an expert's outline, and so with the longest line
    ask(page).click()
    finished(page)
    put(page, ELSEWHERE)
    expect(headline(page)).to_contain_text(ELSEWHERE)
    finished(page)
    lines = """tools => {
      const buttons = [...tools.querySelectorAll("button")].map(each => each.getBoundingClientRect());
      const right = tools.getBoundingClientRect().right;
      return [new Set(buttons.map(each => each.y)).size, buttons.every(each => each.right <= right + 0.5)];
    }"""
    tools = page.get_by_role("toolbar", name="Image tools")
    for compared in (False, True):
        if compared:
            page.get_by_role("button", name=f"Compare with: {WHAT}").click()
            expect(page.locator("#comparison .headline")).to_be_visible()
        for width in (1200, 1280, 1440):
            page.set_viewport_size({"width": width, "height": 800})
            assert tools.evaluate(lines) == [1, True], (width, compared)


def test_nothing_moves_while_the_answer_streams(visit, files):
    page = visit(1440, 900)
    opened(page, files / "scan.png")
    page.get_by_label("Question").fill(WHAT)
    page.evaluate(WATCH_SHIFTS)
    ask(page).click()
    finished(page)
    assert sum(page.evaluate("window.shifts")) == pytest.approx(0, abs=0.001)


def test_the_log_holds_no_traceback_of_what_a_visitor_broke_off(visit, files, capfd, caplog):
    page = visit()
    open_example(page, "Ultrasound")
    ask(page).click()
    open_example(page, "X-ray")  # while the first is asked about
    put(page, ENDLESS)
    expect(page.locator("#workspace")).to_have_attribute("data-phase", "thinking")
    page.get_by_role("button", name="Stop").click()
    put(page, ELSEWHERE)
    finished(page)
    put(page, " ")
    expect(status(page)).to_contain_text("empty")
    upload(page, files / "recorded.json")
    expect(status(page)).not_to_contain_text("Opening")
    page.close()
    said = "".join(capfd.readouterr()) + caplog.text
    assert "output values" not in said and "Traceback" not in said

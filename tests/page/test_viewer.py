"""The viewer's tools in a real browser: zoom, window and level, words that light a place, files to take home,
the link, accessibility."""

import gzip
import io
import json
import re

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image, ImageDraw

from tests.recorded_page import ELSEWHERE, NUMBERS, THOUGHT, WHAT, WHERE
from tests.visit import (
    ask,
    details,
    drawn,
    expect,
    finished,
    open_example,
    opened,
    place,
    put,
    reasoning,
    serious,
    upload,
    why,
)

pytestmark = pytest.mark.browser
SIZE = (640, 480)
SHOWN = "The opened image"


@pytest.fixture
def answered(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    return page


def test_zoom_and_pan_keep_every_layer_on_its_pixels(answered):
    page = answered
    image = page.get_by_role("img", name=SHOWN)
    fit = image.bounding_box()
    page.mouse.move(fit["x"] + fit["width"] * 0.4, fit["y"] + fit["height"] * 0.4)
    page.mouse.wheel(0, -500)
    expect(page.get_by_role("button", name="Fit the image")).to_have_text("2.1×")
    zoomed = image.bounding_box()
    assert zoomed["width"] == pytest.approx(fit["width"] * np.exp(0.75), rel=0.01)
    assert drawn(page, "#viewer .box .line") == pytest.approx(place(page, WHERE.bbox, SIZE), abs=1)
    page.mouse.move(fit["x"] + fit["width"] * 0.9, fit["y"] + fit["height"] * 0.9)
    page.mouse.down()
    page.mouse.move(fit["x"] + fit["width"] * 0.9 - 50, fit["y"] + fit["height"] * 0.9 - 30, steps=3)
    page.mouse.up()
    panned = image.bounding_box()
    assert (panned["x"] - zoomed["x"], panned["y"] - zoomed["y"]) == pytest.approx((-50, -30), abs=1)
    page.mouse.dblclick(fit["x"] + fit["width"] * 0.9, fit["y"] + fit["height"] * 0.9)
    assert image.bounding_box() == pytest.approx(fit, abs=1)
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="Fit the image")).to_have_text("1.3×")


def pinch(page, *steps: tuple[tuple[float, float], tuple[float, float]]) -> None:
    """Two fingers on the screen, at each of `steps` in turn, then lifted."""
    touch = page.context.new_cdp_session(page)
    for number, fingers in enumerate(steps):
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(fingers)]
        touch.send(
            "Input.dispatchTouchEvent",
            {"type": "touchMove" if number else "touchStart", "touchPoints": points},
        )
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


@pytest.mark.parametrize("across", [(1, 0), (0, 1)], ids=["sideways", "up and down"])
def test_two_fingers_zoom_about_the_place_between_them(visit, files, across):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    image = opened(page, files / "scan.png")
    image.scroll_into_view_if_needed()
    fit = image.bounding_box()
    middle = fit["x"] + 0.4 * fit["width"], fit["y"] + 0.45 * fit["height"]

    def fingers(apart: float, x: float = 0, y: float = 0) -> tuple[tuple[float, float], tuple[float, float]]:
        return tuple(
            (middle[0] + x + side * across[0] * apart / 2, middle[1] + y + side * across[1] * apart / 2)
            for side in (-1, 1)
        )

    pinch(page, *(fingers(apart) for apart in range(60, 181, 10)))
    expect(page.get_by_role("button", name="Fit the image")).to_have_text("3.0×")
    zoomed = image.bounding_box()
    assert zoomed["width"] == pytest.approx(3 * fit["width"], rel=0.02)
    under = (middle[0] - zoomed["x"]) / zoomed["width"], (middle[1] - zoomed["y"]) / zoomed["height"]
    assert under == pytest.approx((0.4, 0.45), abs=0.01), "the place between the fingers has moved"
    pinch(page, *(fingers(80, 4 * step, -3 * step) for step in range(11)))
    moved = image.bounding_box()
    assert moved["width"] == pytest.approx(zoomed["width"], rel=0.02), (
        "fingers that keep their distance only move the image"
    )
    assert (moved["x"] - zoomed["x"], moved["y"] - zoomed["y"]) == pytest.approx((40, -30), abs=2)
    pinch(page, *(fingers(apart) for apart in range(180, 29, -10)))
    expect(page.get_by_role("button", name="Fit the image")).to_have_text("Fit")
    assert page.evaluate("visualViewport.scale") == 1, "the page itself is not zoomed"


def grey_values(page) -> np.ndarray:
    """What the screen shows of the image, layers hidden: grey values."""
    image = page.get_by_role("img", name=SHOWN)
    return np.asarray(Image.open(io.BytesIO(image.screenshot())).convert("L"), dtype=float)


def test_window_and_level_spread_the_shown_values(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    plain = grey_values(page)
    page.get_by_role("button", name="Window and level").click()
    page.get_by_role("slider", name="Window").fill("100")
    page.get_by_role("slider", name="Level").fill("120")
    expect(page.get_by_text("70 to 170 of 255")).to_be_visible()
    shown = grey_values(page)
    page.get_by_role("button", name="Reset").click()
    assert shown.shape != plain.shape or not np.array_equal(shown, plain)
    same = grey_values(page)  # of the size that `shown` has: the sliders took room
    assert np.abs(shown - np.clip((same - 70) * 2.55, 0, 255)).mean() < 2


def test_words_and_numbers_light_the_place_they_mean(answered):
    page = answered
    light = page.locator("#viewer .light path")
    details(page).get_by_text("x 160 – 400, y 96 – 288").hover()
    expect(light).to_have_attribute("d", "M0 0H640V480H0ZM160 96V288H400V96Z")
    page.get_by_label("Question").hover()
    expect(light).to_have_attribute("d", "")
    why(page)
    page.get_by_text("at the centre", exact=True).focus()
    expect(light).to_have_attribute("d", "M0 0H640V480H0ZM160 96V288H400V96Z")
    expect(reasoning(page)).to_have_text(THOUGHT)


def test_coordinates_in_the_reasoning_light_the_place_they_mean(visit, files):
    page = visit()
    opened(page, files / "scan.png")
    put(page, NUMBERS)
    finished(page)
    why(page)
    light = page.locator("#viewer .light path")
    reasoning(page).get_by_text("[20, 30, 120, 90]", exact=True).hover()
    expect(light).to_have_attribute("d", "M0 0H640V480H0ZM20 30V90H120V30Z")
    reasoning(page).get_by_text("(50, 60)", exact=True).focus()
    expect(light).to_have_attribute(
        "d", re.compile(r"^M0 0H640V480H0ZM33\.3\d+ 43\.3\d+V76\.6\d+H66\.6\d+V43\.3\d+Z$")
    )
    expect(reasoning(page).locator(".place")).to_have_count(2)  # what lies outside the image lights nothing


def test_the_keys_are_told_and_the_answer_is_in_the_alternative_text(answered):
    page = answered
    image = page.get_by_role("img", name=SHOWN)
    text = (
        f"{SHOWN}, 640 by 480 pixels. The answer is at the centre of the image, mid-sized: "
        "a box from 160, 96 to 400, 288, and a mask that covers 11.9% of the image."
    )
    expect(image).to_have_attribute("alt", text)
    page.get_by_text("Done").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()


def taken_home(page, name: str) -> tuple[str, bytes]:
    """Click the button; returns what the browser saved, and its name."""
    with page.expect_download() as download:
        page.get_by_role("group", name="Take it home").get_by_role("button", name=name).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


def test_files_that_are_asked_for_in_a_hurry_all_arrive(answered):
    page, arrived = answered, []
    page.on("download", lambda download: arrived.append(download.suggested_filename))
    for name in ("Mask", "Overlay", "JSON"):
        page.get_by_role("group", name="Take it home").get_by_role("button", name=name).dispatch_event("click")
    expected = ["scan-target-grounding.json", "scan-target-mask.png", "scan-target-overlay.png"]
    while sorted(arrived) != expected:
        page.wait_for_event("download")


def test_what_is_taken_home_is_the_answer_with_its_notice(answered):
    page = answered
    saved = dict(taken_home(page, name) for name in ("Mask", "Overlay", "JSON"))
    assert list(saved) == ["scan-target-mask.png", "scan-target-overlay.png", "scan-target-grounding.json"]
    mask = Image.open(io.BytesIO(saved["scan-target-mask.png"]))
    assert (
        mask.size == SIZE
        and mask.getbbox() == (160, 96, 401, 289)
        and "Research use only" in mask.text["Description"]
    )
    facts = json.loads(saved["scan-target-grounding.json"])
    assert (facts["box_xyxy"], facts["corrected_by_hand"], facts["question"]) == (
        [160, 96, 400, 288],
        False,
        WHAT,
    )


def expected_mask() -> np.ndarray:
    """The oval that the tests' segmenter fills the box of ELSEWHERE with, in the 160 x 120 pixels of the
    medical files."""
    canvas = Image.new("1", (160, 120))
    ImageDraw.Draw(canvas).ellipse((20, 30, 120, 90), fill=1)
    return np.asarray(canvas)


@pytest.mark.filterwarnings("ignore")
def test_a_dicom_slice_is_taken_home_as_a_dicom_seg_that_others_can_open(visit, files):
    page = visit()
    opened(page, files / "slice.dcm")
    put(page, ELSEWHERE)
    finished(page)
    name, data = taken_home(page, "DICOM-SEG")
    original, segmentation = pydicom.dcmread(files / "slice.dcm"), highdicom.seg.segread(io.BytesIO(data))
    assert (name, segmentation.Modality, pydicom.dcmread(io.BytesIO(data)).Modality) == (
        "slice-target-mask.dcm",
        "SEG",
        "SEG",
    )
    back = segmentation.get_pixels_by_source_instance([original.SOPInstanceUID])[0, ..., 0]
    assert np.array_equal(back, expected_mask())
    assert np.allclose(segmentation.get_volume_geometry().position, original.ImagePositionPatient)
    assert str(original.PatientName).encode() not in data


def test_a_slice_of_a_volume_is_taken_home_as_nifti_in_the_volumes_own_space(visit, files):
    page = visit()
    opened(page, files / "volume.nii")
    put(page, ELSEWHERE)
    finished(page)
    name, data = taken_home(page, "NIfTI")
    mask, volume = nibabel.Nifti1Image.from_bytes(gzip.decompress(data)), nibabel.load(files / "volume.nii")
    values = np.asarray(mask.dataobj)
    assert (
        name == "volume-slice2-target-mask.nii.gz"
        and mask.shape == volume.shape
        and np.allclose(mask.affine, volume.affine)
    )
    assert [int(values[..., k].sum()) for k in range(3)] == [0, int(expected_mask().sum()), 0]


def test_a_link_brings_the_view_of_an_example_back(visit):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    open_example(page, "Ultrasound")
    put(page, ELSEWHERE)
    finished(page)
    page.get_by_text("Done").click()
    page.keyboard.press("m")
    page.keyboard.press("+")
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Link copied")).to_be_visible()
    assert "data:" not in page.url
    again = visit(link=page.url)
    finished(again)
    expect(again.get_by_label("Question")).to_have_value(ELSEWHERE)
    expect(again.get_by_role("button", name="Fit the image")).to_have_text("1.3×")
    expect(again.get_by_role("button", name="Mask layer")).to_have_attribute("aria-pressed", "false")


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """A NIfTI volume whose every axial slice has its own shade."""
    path = tmp_path_factory.mktemp("volume") / "volume.nii.gz"
    values = np.zeros((40, 48, 20), np.int16)
    values += np.arange(20, dtype=np.int16) * 10
    values[8:20, 8:20] += 40
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 2.5, 1.0])), path)
    return path


def test_a_volume_is_leafed_through_and_says_its_sides(visit, volume):
    page = visit()
    upload(page, volume)
    expect(page.get_by_text("Axial slice 11 of 20")).to_be_visible()
    expect(page.locator("#viewer .letter.left")).to_have_text("R")
    page.get_by_role("slider", name="Slice").fill("3")
    expect(page.get_by_text("Axial slice 3 of 20")).to_be_visible()
    page.get_by_role("combobox", name="Plane").select_option("coronal")
    expect(page.locator("#viewer .letter.top")).to_have_text("H")
    expect(page.get_by_role("slider", name="Slice")).to_be_visible()


@pytest.mark.parametrize("width, height, scheme", [(1440, 900, "light"), (390, 844, "dark")])
def test_axe_finds_nothing_serious(visit, files, width, height, scheme):
    page = visit(width, height, color_scheme=scheme)
    assert not serious(page)
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    assert not serious(page)


SMALL = """() => {
  const places = ["#layers .toolbar", "#question-form", "#downloads"];
  const buttons = places.flatMap(place => [...document.querySelectorAll(`${place} button`)]);
  const side = button => Math.min(...["width", "height"].map(name => button.getBoundingClientRect()[name]));
  const small = buttons.filter(button => button.offsetParent && side(button) < 43.5);
  return small.map(button => button.outerHTML.slice(0, 90));
}"""


def test_a_finger_has_room_on_a_phone(visit, files):
    page = visit(390, 844, has_touch=True, is_mobile=True)
    opened(page, files / "scan.png")
    put(page, WHAT)
    finished(page)
    small = page.evaluate(SMALL)
    assert small == []
    reach = page.evaluate("""() => {
        const handle = document.querySelector("#viewer .corners button");
        return handle.offsetWidth - 2 * parseFloat(getComputedStyle(handle, "::before").left) }""")
    assert reach >= 43
    corner = page.get_by_role("button", name="Box, top left corner").bounding_box()
    assert corner["x"] + corner["width"] / 2 == pytest.approx(place(page, WHERE.bbox, SIZE)[0], abs=1)
    expect(ask(page)).to_be_in_viewport()

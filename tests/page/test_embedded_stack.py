"""A DICOM series in a real browser with the real embedded model: every slice has its own answers, and what is
measured, corrected and taken home is the model's.

The series is the image of an example, three times, so that it is known what there is to find.
"""

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from PIL import Image

from medreasoner.page.page import Page
from tests.data.build.volumes_drawn import dicom_series
from tests.medical import uid
from tests.page.test_viewer import taken_home
from tests.recorded_page import serving
from tests.visit import details, expect, finished, headline, put, serious, status, upload

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "medreasoner" / "examples"
QUESTION = "What would you measure around to estimate how many weeks old the baby is?"
AGAIN = "Which round bony outline holds the unborn baby's brain?"
SIDES = re.compile(r"x (\d+) – (\d+), y (\d+) – (\d+)")


@pytest.fixture(scope="module")
def address(embedded) -> Iterator[str]:
    for page in serving(Page(embedded, [])):
        yield page.demo.local_url


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("series") / "head"
    shown = np.asarray(Image.open(EXAMPLES / "hc18_fetal_head_006_HC.jpg").convert("L"), np.int16)
    values = np.stack([shown] * 3)[:, ::-1, ::-1].transpose(2, 1, 0)
    dicom_series(folder, values, FrameOfReferenceUID=uid("frame"))
    return sorted(folder.iterdir())


@pytest.fixture
def stack(visit, series):
    """The page with the middle one of three slices."""
    page = visit(1440, 900)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open image").click()
    chooser.value.set_files(series)
    expect(page.get_by_text("Slice 2 of 3 is shown.")).to_be_visible()
    expect(status(page)).to_have_text("Ready")
    return page


@pytest.fixture
def answered(stack):
    put(stack, QUESTION)
    finished(stack)
    return stack


def mask(page):
    return page.locator("#viewer .mask path")


def leaf(page, down: int, number: int) -> None:
    page.get_by_role("img", name="The opened image").hover()
    page.mouse.wheel(0, down)
    expect(page.get_by_text(f"Slice {number} of 3 is shown.")).to_be_visible()


def sides(page) -> list[int]:
    """x1, x2, y1, y2 of the box as the details tell it."""
    found = SIDES.search(page.get_by_role("region", name="Answer", exact=True).text_content())
    return [int(each) for each in found.groups()]


def test_a_slice_keeps_its_answers_and_the_picture_its_zoom_while_another_is_looked_at(answered):
    page = answered
    outline = mask(page).get_attribute("d")
    page.keyboard.press("Escape")
    page.keyboard.press("+")
    fit = page.get_by_role("button", name="Fit the image")
    expect(fit).to_have_text("1.3×")
    leaf(page, 100, 3)
    expect(status(page)).to_have_text("Ready")
    expect(mask(page)).not_to_have_attribute("d", re.compile("^M"))
    put(page, AGAIN)
    finished(page)
    expect(headline(page)).to_contain_text(AGAIN)
    leaf(page, -100, 2)
    finished(page)
    expect(headline(page)).to_contain_text(QUESTION)
    expect(mask(page)).to_have_attribute("d", outline)
    expect(fit).to_have_text("1.3×")
    name, data = taken_home(page, "JSON")
    assert json.loads(data)["question"] == QUESTION and "slice" in name


def test_two_answers_about_one_slice_stand_side_by_side(answered):
    page = answered
    page.get_by_label("Question").fill("Something else?")
    expect(headline(page)).to_contain_text(QUESTION)
    put(page, AGAIN)
    expect(headline(page)).to_contain_text(AGAIN)
    finished(page)
    page.get_by_role("button", name=f"Compare with: {QUESTION}").click()
    other = page.locator("#comparison .headline")
    expect(other).to_contain_text(QUESTION)
    assert (
        other.bounding_box()["x"]
        >= headline(page).bounding_box()["x"] + headline(page).bounding_box()["width"]
    )
    assert not serious(page)


@pytest.mark.filterwarnings("ignore")
def test_axes_values_and_dicom_seg_are_in_units_and_places_of_the_patient(answered, series, tmp_path):
    answer = details(answered)
    long, short = map(float, re.search(r"Axes\s*([\d.]+) × ([\d.]+) mm", answer.text_content()).groups())
    left, right, top, bottom = sides(answered)
    # an oval's axes are its box's sides, of 0.8 mm a pixel; the mask and the box are two opinions
    assert long == pytest.approx(0.8 * max(right - left, bottom - top), rel=0.25) and long >= short
    mean, spread = map(float, re.search(r"(-?[\d.]+) ± ([\d.]+) HU", answer.text_content()).groups())
    values = pydicom.dcmread(series[0]).pixel_array[top:bottom, left:right] - 1024.0
    assert mean == pytest.approx(values.mean(), abs=values.std()) and spread > 0

    # its DICOM-SEG is named after the finding and lies where it was seen
    name, data = taken_home(answered, "DICOM-SEG")
    segmentation = highdicom.seg.segread(io.BytesIO(data))
    (segment,) = segmentation.SegmentSequence
    assert name.endswith("-fetal-head-mask.dcm") and segment.SegmentLabel.lower() == "fetal head"
    second = sorted(map(pydicom.dcmread, series), key=lambda each: each.ImagePositionPatient[2])[1]
    found = segmentation.get_pixels_by_source_instance([second.SOPInstanceUID])[0, ..., 0]
    rows, columns = found.nonzero()
    assert left <= columns.mean() <= right and top <= rows.mean() <= bottom
    (tmp_path / name).write_bytes(data)
    upload(answered, tmp_path / name)
    expect(answered.get_by_text("This file is a segmentation (DICOM-SEG)")).to_be_visible()


def test_a_box_that_is_drawn_is_outlined_undone_and_done_again(answered):
    page = answered
    details(page)
    own, outline = sides(page), mask(page).get_attribute("d")
    frame = page.get_by_role("img", name="The opened image").bounding_box()
    page.keyboard.press("Escape")
    page.keyboard.press("d")
    page.mouse.move(frame["x"] + 0.3 * frame["width"], frame["y"] + 0.3 * frame["height"])
    page.mouse.down()
    page.mouse.move(frame["x"] + 0.6 * frame["width"], frame["y"] + 0.7 * frame["height"], steps=4)
    page.mouse.up()
    expect(status(page)).to_contain_text("Outlined again in")
    drawn = sides(page)
    assert drawn != own
    page.keyboard.press("u")
    expect(mask(page)).to_have_attribute("d", outline)
    assert sides(page) == own
    page.keyboard.press("Shift+U")
    expect(mask(page)).not_to_have_attribute("d", outline)
    assert sides(page) == drawn


def test_the_outline_alone_is_shown_until_m_is_held(answered):
    page = answered
    status(page).click()
    expect(mask(page)).to_have_css("fill", "none")
    page.keyboard.down("m")
    expect(mask(page)).not_to_have_css("fill", "none")
    page.keyboard.up("m")
    expect(mask(page)).to_have_css("fill", "none")

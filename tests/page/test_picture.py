"""Volumes, series and windows in a real browser, as in a reading room."""

import re

import numpy as np
import pytest

from tests.medical import CT, DEEP, dicom, uid
from tests.page.test_viewer import grey_values, volume  # noqa: F401 (a fixture)
from tests.recorded_page import ELSEWHERE
from tests.visit import expect, finished, headline, opened, put, status, upload

pytestmark = pytest.mark.browser
SERIES = {
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
    "SeriesInstanceUID": uid("one"),
}


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """Twelve CT slices, each a little brighter than the one below it, in no order."""
    folder = tmp_path_factory.mktemp("series")
    for number in range(12):
        deep = np.tile(DEEP, (3, 3)) + 20 * number
        place = {**SERIES, "ImagePositionPatient": [0, 0, 2 * number]}
        (folder / f"{(7 * number) % 12:02}.dcm").write_bytes(dicom(deep, **CT, **place))
    return sorted(folder.iterdir())


def frame(page):
    return page.get_by_role("group", name="Image, moved by the arrow keys")


def test_wheel_and_keys_go_through_the_slices_and_none_is_lost(visit, volume):  # noqa: F811
    page = visit()
    upload(page, volume)
    expect(page.get_by_text("Axial slice 11 of 20")).to_be_visible()
    frame(page).hover()
    for _ in range(4):
        page.mouse.wheel(0, 100)
    expect(page.get_by_text("Axial slice 15 of 20")).to_be_visible()
    frame(page).focus()
    for _ in range(6):
        page.keyboard.press("ArrowUp")
    expect(page.get_by_text("Axial slice 9 of 20")).to_be_visible()
    page.keyboard.press("PageDown")
    expect(page.get_by_text("Axial slice 19 of 20")).to_be_visible()
    page.keyboard.press("PageDown")
    expect(page.get_by_text("Axial slice 20 of 20")).to_be_visible()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    fit = page.get_by_role("button", name="Fit the image")
    expect(fit).to_have_text(re.compile("×"))
    zoomed = fit.inner_text()
    page.keyboard.press("PageUp")
    expect(page.get_by_text("Axial slice 10 of 20")).to_be_visible()
    expect(fit).to_have_text(zoomed)


def test_a_series_is_one_stack_and_another_slice_keeps_its_answer(visit, files, series):
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open image").click()
    chooser.value.set_files(series)
    expect(page.get_by_text("12 slices of one series are a stack.")).to_be_visible()
    expect(page.get_by_text("Slice 6 of 12 is shown.")).to_be_visible()
    darker = grey_values(page).mean()
    page.get_by_role("slider", name="Slice").fill("12")
    expect(page.get_by_text("Slice 12 of 12 is shown.")).to_be_visible()
    assert grey_values(page).mean() > darker


def test_several_other_files_say_which_is_shown(visit, files):
    page = visit()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open image").click()
    chooser.value.set_files([files / "scan.png", files / "strip.png"])
    expect(page.get_by_text("scan.png is shown, the first of 2 files.")).to_be_visible()


def test_an_answer_about_a_slice_is_there_when_one_comes_back(visit, files):
    page = visit()
    opened(page, files / "volume.nii")
    put(page, ELSEWHERE)
    finished(page)
    page.get_by_role("slider", name="Slice").fill("3")
    expect(page.get_by_text("slice 3 of 3")).to_be_visible()
    expect(status(page)).to_have_text("Ready")
    page.get_by_role("slider", name="Slice").fill("2")
    finished(page)
    expect(headline(page)).to_contain_text(ELSEWHERE)
    expect(page.get_by_text("slice 2 of 3 is shown")).to_be_visible()
    expect(page.locator("#viewer .box")).to_have_css("opacity", "1")

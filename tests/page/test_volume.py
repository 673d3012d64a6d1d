"""A whole volume in a real browser, answered by the embedded model: progress over slices, the mask of every
slice, corrections that grow from there, pictures in space, files that other readers open.

python -m pytest tests/page/test_volume.py
"""

import gzip
import json
import re
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from PIL import Image

from medreasoner.page.page import Page
from tests.data.build.volumes_drawn import dicom_series, head, nifti
from tests.recorded_page import serving
from tests.visit import details, expect, finished, headline, opened, status, upload

pytestmark = pytest.mark.browser
EXAMPLES = Path(__file__).parents[2] / "medreasoner" / "examples"
SHOWN = "hc18_fetal_head_006_HC.jpg"
QUESTION = "What would you measure around to estimate how many weeks old the baby is?"
SLICES = 5
OUTLINED = re.compile(r"outlined from slice (\d+) to (\d+)")


@pytest.fixture(scope="module")
def address(embedded):
    for page in serving(Page(embedded, [])):
        yield page.demo.local_url


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """The image of an example three times, with a blank slice below and above."""
    shown = np.asarray(Image.open(EXAMPLES / SHOWN).convert("L"), np.int16)
    blank = np.random.default_rng(0).integers(0, 8, shown.shape, dtype=np.int16)
    stack = np.stack([blank, shown, shown, shown, blank])
    path = tmp_path_factory.mktemp("volume") / "head.nii.gz"
    nifti(path, stack[:, ::-1, ::-1].transpose(2, 1, 0), (0.5, 0.5, 5.0))
    return path


@pytest.fixture
def asked(visit, volume):
    """The middle slice was asked, and its mask has grown."""
    page = visit(1440, 900)
    opened(page, volume)
    page.get_by_label("Question").fill(QUESTION)
    page.get_by_label("from this slice").check()
    whole(page).click()
    finished(page)
    return page


def whole(page):
    return page.get_by_role("button", name="Whole volume")


def strip(page):
    return page.locator("#volume .cells")


def mask(page) -> str:
    return page.locator("#viewer .mask path").get_attribute("d")


def leaf(page, number: int) -> None:
    page.get_by_role("slider", name="Slice").fill(str(number))
    expect(page.get_by_text(f"Axial slice {number} of {SLICES} is shown")).to_be_visible()


def saved(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("group", name="Take it home").get_by_role("button", name=name).click()
    return download.value.path().read_bytes()


def test_the_slice_is_found_the_mask_grows_and_every_slice_shows_its_own(visit, volume):
    page = visit(1440, 900)
    expect(whole(page)).to_be_hidden()
    opened(page, volume)
    page.get_by_label("Question").fill(QUESTION)
    page.evaluate("""() => {
      const line = document.querySelector("#status [role=status]");
      window.said = [];
      new MutationObserver(() => window.said.push(line.textContent)).observe(line, {childList: true});
    }""")
    whole(page).click()
    finished(page)
    said = page.evaluate("window.said")
    assert any(text.startswith("Slice ") and "looked at" in text for text in said), "progress over slices"
    assert any(text.startswith("Outlined slice ") for text in said)
    words = strip(page).get_attribute("aria-label")
    key = int(re.search(r"slice (\d+) was asked", words)[1])
    first, last = (int(number) for number in OUTLINED.search(words).groups())
    assert first <= key <= last and f"{SLICES} slices; {SLICES} looked at" in words
    expect(page.get_by_text(f"Axial slice {key} of {SLICES} is shown")).to_be_visible()
    expect(headline(page)).to_contain_text(f"slice {first}" if first == last else f"slices {first} to {last}")
    expect(headline(page)).to_contain_text("ml")
    written = gzip.decompress(saved(page, "3D NIfTI"))
    found, source = nibabel.Nifti1Image.from_bytes(written), nibabel.load(volume)
    assert found.shape == source.shape and np.allclose(found.affine, source.affine)
    filled = np.asarray(found.dataobj).any(axis=(0, 1))
    assert list(np.flatnonzero(filled) + 1) == list(range(first, last + 1))
    for number in range(1, SLICES + 1):
        leaf(page, number)
        assert bool(mask(page)) == bool(filled[number - 1]), f"slice {number}"
    content = json.loads(saved(page, "JSON"))["volume"]
    assert (
        content["slice"] == key and content["slices"] == [first, last] and len(content["scanned"]) == SLICES
    )


def test_its_files_are_there_at_once_and_the_target_is_shown_in_three_planes_and_from_all_around(asked):
    # no other slice was opened since, so nothing but the run itself has told the browser which run is shown
    written = gzip.decompress(saved(asked, "3D NIfTI"))
    assert np.asarray(nibabel.Nifti1Image.from_bytes(written).dataobj).any()
    pictures = asked.locator("#volume .pictures")
    expect(pictures.get_by_role("img")).to_have_count(3)
    for name in ("axial", "coronal", "sagittal"):
        expect(pictures.get_by_text(name, exact=True)).to_be_visible()
        assert pictures.get_by_alt_text(f"The {name} plane").evaluate("image => image.naturalWidth") > 20
    surface = pictures.get_by_role("slider", name="The mask in space")
    surface.focus()
    asked.keyboard.press("ArrowRight")
    expect(surface).to_have_attribute("aria-valuetext", "30 degrees")
    expect(asked.get_by_text(f"Axial slice 3 of {SLICES} is shown")).to_be_visible()
    leaf(asked, 1)
    pictures.get_by_alt_text("The axial plane").click(position={"x": 5, "y": 5}, force=True)
    expect(asked.get_by_text(f"Axial slice 3 of {SLICES} is shown")).to_be_visible()


def test_a_correction_on_any_slice_grows_from_there_and_is_taken_back(asked):
    page = asked
    leaf(page, 4)
    before = mask(page)
    frame = page.get_by_role("img", name="The opened image").bounding_box()
    place = [frame["x"] + 0.62 * frame["width"], frame["y"] + 0.55 * frame["height"]]
    page.get_by_role("button", name="Redraw").click()
    page.mouse.move(*place)
    page.mouse.down()
    page.mouse.move(place[0] + 60, place[1] + 70, steps=3)
    page.mouse.up()
    expect(status(page)).to_have_text("Outlined again")
    corrected = mask(page)
    assert corrected and corrected != before
    expect(page.locator("#volume rect.corrected")).to_have_count(1)
    expect(details(page)).to_contain_text("slice 4")
    content = json.loads(saved(page, "JSON"))
    assert content["corrected_by_hand"] and list(content["corrected_slices"]) == ["4"]
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#volume rect.corrected")).to_have_count(0)
    expect(page.locator("#viewer .mask path")).to_have_attribute("d", before)


def test_another_image_ends_a_run_and_takes_the_volume_away(visit, volume, tmp_path):
    page = visit(390, 844)
    opened(page, volume)
    page.get_by_label("Question").fill(QUESTION)
    whole(page).click()
    expect(page.locator("#volume rect").first).to_be_attached()
    Image.open(EXAMPLES / SHOWN).save(tmp_path / "one.png")
    upload(page, tmp_path / "one.png")
    expect(whole(page)).to_be_hidden()
    expect(page.locator("#volume .stack")).to_be_hidden()
    expect(status(page)).to_have_text("Ready")


def test_a_stack_with_a_missing_slice_is_refused_and_nothing_is_lost(visit, tmp_path):
    dicom_series(tmp_path / "series", head()[0])
    paths = sorted(
        (tmp_path / "series").iterdir(), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2])
    )
    page = visit()
    upload(page, [*paths[:2], *paths[3:]])
    expect(status(page)).to_have_text("Ready")
    page.get_by_label("Question").fill(QUESTION)
    whole(page).click()
    expect(status(page)).to_contain_text("a slice is missing there")
    expect(page.get_by_role("img", name="The opened image")).to_be_visible()
    expect(page.get_by_label("Question")).to_have_value(QUESTION)
    page.get_by_label("Question").fill("")
    whole(page).click()
    expect(status(page)).not_to_contain_text("a slice is missing")

"""A header's values hold where they stand, and what cannot be read costs only itself.

python -m pytest tests/imaging/test_dicom_header.py
"""

import numpy as np
import pytest

from medreasoner.imaging import load_image
from medreasoner.imaging.dicom_header import FrameHeader
from tests.medical import DEEP, dicom, item, patched, pixels

NUMBERS = {
    "PixelSpacing": ["7.13", "7.13"],
    "ImagePositionPatient": ["7.13", "0", "0"],
    "ImageOrientationPatient": ["7.13", "0", "0", "0", "1", "0"],
    "SliceThickness": "7.13",
    "SpacingBetweenSlices": "7.13",
    "LossyImageCompressionRatio": "7.13",
    "WindowCenter": "7.13",
    "PixelAspectRatio": ["7135", "1"],
}


@pytest.mark.parametrize("broken", [b"7,13", b"abcd", b"nan ", b"7.1."])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_that_is_none_costs_only_itself_and_is_said(name, broken):
    data = dicom(DEEP, Modality="MR", **{name: NUMBERS[name]})
    written = b"7135" if name == "PixelAspectRatio" else b"7.13"
    loaded = load_image(data.replace(written, broken))
    assert data.count(written) >= 1 and np.array_equal(np.asarray(loaded.image), pixels(dicom(DEEP)))
    assert loaded.spacing_mm is None and loaded.orientation is None
    assert f"count as absent: {name}" in loaded.notes[-1]
    assert name not in loaded.source.header


def test_an_element_whose_bytes_are_no_value_of_its_type_costs_only_itself():
    data = patched(dicom(DEEP, SliceThickness="7.13"), b"DS\x04\x007.13", b"FD\x04\x007.13")
    loaded = load_image(data)
    assert np.array_equal(np.asarray(loaded.image), pixels(dicom(DEEP)))
    assert "SliceThickness" in loaded.notes[-1]


@pytest.mark.parametrize("spacing", [[0, 0], [-1, 1], [0.5]])
def test_a_spacing_that_is_no_size_is_said_to_be_none(spacing):
    loaded = load_image(dicom(DEEP, Modality="MR", PixelSpacing=spacing))
    assert loaded.spacing_mm is None and "PixelSpacing" in loaded.notes[-1]


def test_what_a_frame_says_goes_before_what_all_share_and_that_before_the_top():
    def measures(thickness: float) -> dict[str, object]:
        return {"PixelMeasuresSequence": [item(SliceThickness=thickness)]}

    dataset = item(
        SliceThickness=1, SpacingBetweenSlices=4, SharedFunctionalGroupsSequence=[item(**measures(2))]
    )
    assert FrameHeader.of(dataset, 1).number("SliceThickness") == 2
    dataset.PerFrameFunctionalGroupsSequence = [item(**measures(5)), item()]
    assert [FrameHeader.of(dataset, frame).number("SliceThickness") for frame in (1, 2)] == [5, 2]
    assert FrameHeader.of(dataset, 2).number("SpacingBetweenSlices") == 4


def test_absent_and_empty_are_the_same_and_nothing_to_speak_of():
    header = FrameHeader.of(item(SliceThickness=None, WindowCenter=""))
    assert (header.number("SliceThickness"), header.numbers("WindowCenter"), header.text("Modality")) == (
        None,
        (),
        "",
    )
    assert header.notes() == ()

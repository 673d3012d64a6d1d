"""The header that a DICOM-SEG takes from its image: the place in the patient is kept, guessed and said, or left
out and said.

python -m pytest tests/output/test_dicom_seg_header.py
"""

import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedMRImageStorage

from tests.medical import GRAY, dicom, item, uid
from tests.output.test_dicom_seg import MASK, made, seg_file

PLANE = {
    "SOPClassUID": pydicom.uid.CTImageStorage,
    "Modality": "CT",
    "FrameOfReferenceUID": uid("frame"),
    "PixelSpacing": [0.5, 0.7],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "ImagePositionPatient": [-10, -20, 33.5],
}


@pytest.mark.parametrize(
    ("sizes", "thickness"),
    [
        ({}, 0.6),
        ({"SliceThickness": None, "SpacingBetweenSlices": 4}, 4),
        ({"SliceThickness": ""}, 0.6),
        ({"SliceThickness": 0, "SpacingBetweenSlices": 0}, 0.6),
        ({"SliceThickness": -3, "SpacingBetweenSlices": -5}, 0.6),
    ],
)
def test_without_a_slice_thickness_the_place_is_kept_and_the_thickness_is_said_to_be_a_guess(
    sizes, thickness
):
    data = dicom(GRAY.astype(np.int16), **PLANE, **sizes)
    segmentation, (note,) = made(data), seg_file(data).notes
    geometry = segmentation.get_volume_geometry()
    assert np.allclose(geometry.position, [-10, -20, 33.5]) and np.allclose(
        geometry.pixel_spacing, [0.5, 0.7]
    )
    assert np.allclose(np.r_[geometry.direction_cosines], PLANE["ImageOrientationPatient"])
    (measures,) = segmentation.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures.SliceThickness == pytest.approx(thickness)
    assert (
        f"{thickness:g} mm is a guess" in note and note in segmentation.SegmentSequence[0].SegmentDescription
    )


def test_an_enhanced_frame_without_a_thickness_keeps_its_place():
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25])],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )
    frames = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 3 * n])]) for n in range(3)]
    volume = {"SOPClassUID": EnhancedMRImageStorage, "NumberOfFrames": 3, "Modality": "MR"}
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    data = dicom(np.stack([GRAY.astype(np.int16)] * 3), **volume, **groups, FrameOfReferenceUID=uid("frame"))
    geometry = made(data, frame=3).get_volume_geometry()
    assert tuple(geometry.position) == (0, 0, 6) and tuple(geometry.pixel_spacing) == (0.5, 0.25)
    assert "is a guess" in seg_file(data, frame=3).notes[0]


def test_a_thickness_that_is_stated_is_kept_and_nothing_to_speak_of():
    data = dicom(GRAY.astype(np.int16), **PLANE, SliceThickness=3)
    (measures,) = made(data).SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    assert measures.SliceThickness == 3 and seg_file(data).notes == ()


def test_half_a_place_in_the_patient_is_left_out_and_said():
    half = dicom(GRAY, FrameOfReferenceUID=uid("frame"), ImagePositionPatient=[0, 0, 0], PixelSpacing=[1, 1])
    assert np.array_equal(made(half).pixel_array.reshape(40, 50), MASK)
    (note,) = seg_file(half).notes
    assert note.startswith("PixelSpacing and ImagePositionPatient of the image are left out")
    assert note.endswith("its header has no ImageOrientationPatient.")
    assert seg_file(dicom(GRAY)).notes == (), "nothing was there to lose"

"""A DICOM-SEG opens again in pydicom and highdicom, lies where its image lies, and names nobody.

python -m pytest tests/output/test_dicom_seg.py
"""

import io

import highdicom
import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedMRImageStorage, UltrasoundMultiFrameImageStorage

from medreasoner.events import NOTICE
from medreasoner.imaging import load_image
from medreasoner.output.dicom_seg import Algorithm, SegError, SegFile, segmentation_file
from tests.medical import GRAY, PATIENT, dicom, item, shipped, uid

MASK = GRAY > 120  # (40, 50), no symmetry


def seg_file(
    data: bytes, mask: np.ndarray = MASK, names: tuple[str, str] = ("m", "s"), **view: object
) -> SegFile:
    algorithm = Algorithm(*names, NOTICE, "0.1.0")
    return segmentation_file(load_image(data, **view).source, mask, algorithm)


def made(data: bytes, mask: np.ndarray = MASK, **view: object) -> highdicom.seg.Segmentation:
    written = seg_file(data, mask, ("a/model", "a\\segmenter"), **view).data
    return highdicom.seg.segread(io.BytesIO(written))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm"])
def test_the_mask_lies_on_its_image_in_the_patients_own_coordinates(name):
    original = pydicom.dcmread(io.BytesIO(shipped(name)))
    mask = np.zeros((original.Rows, original.Columns), bool)
    mask[5:20, 30:50] = True
    segmentation = made(shipped(name), mask)
    assert np.array_equal(
        segmentation.get_pixels_by_source_instance([original.SOPInstanceUID])[0, ..., 0], mask
    )
    geometry = segmentation.get_volume_geometry()
    assert np.allclose(geometry.position, original.ImagePositionPatient) and np.allclose(
        geometry.pixel_spacing, original.PixelSpacing
    )
    assert np.allclose(np.r_[geometry.direction_cosines], original.ImageOrientationPatient)
    assert segmentation.FrameOfReferenceUID == original.FrameOfReferenceUID
    assert (
        segmentation.StudyInstanceUID == original.StudyInstanceUID
        and segmentation.SeriesInstanceUID != original.SeriesInstanceUID
    )


def test_an_image_without_a_place_in_the_patient_is_referred_to_by_its_identifiers():
    segmentation = made(dicom(GRAY))
    assert np.array_equal(segmentation.get_pixels_by_source_instance([uid("image")])[0, ..., 0], MASK)
    assert segmentation.ReferencedSeriesSequence[0].SeriesInstanceUID == uid("series")
    assert "FrameOfReferenceUID" not in segmentation


@pytest.mark.parametrize("number", [1, 3])
def test_one_frame_of_a_film_is_referred_to_by_its_number(number):
    film = dicom(
        np.stack([GRAY] * 3), NumberOfFrames=3, SOPClassUID=UltrasoundMultiFrameImageStorage, Modality="US"
    )
    segmentation = made(film, frame=number)
    back = segmentation.get_pixels_by_source_frame(uid("image"), [number], ignore_spatial_locations=True)
    assert segmentation.NumberOfFrames == 1 and np.array_equal(back[0, ..., 0], MASK)


def test_one_frame_of_an_enhanced_object_keeps_its_own_position():
    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25], SliceThickness=3)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
    )
    frames = [
        item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 3 * number])]) for number in range(3)
    ]
    volume = {
        "SOPClassUID": EnhancedMRImageStorage,
        "NumberOfFrames": 3,
        "Modality": "MR",
        "FrameOfReferenceUID": uid("frame"),
    }
    groups = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": frames}
    segmentation = made(dicom(np.stack([GRAY.astype(np.int16)] * 3), **volume, **groups), frame=3)
    geometry = segmentation.get_volume_geometry()
    assert tuple(geometry.position) == (0, 0, 6) and tuple(geometry.pixel_spacing) == (0.5, 0.25)
    assert np.array_equal(segmentation.get_pixels_by_source_frame(uid("image"), [3])[0, ..., 0], MASK)


def test_who_made_it_and_that_it_is_for_research_stands_in_it():
    segmentation = made(dicom(GRAY))
    (segment,) = segmentation.SegmentSequence
    assert segmentation.SeriesDescription == segmentation.ContentDescription == NOTICE
    assert segment.SegmentDescription == f"{NOTICE} Found by a/model, outlined by a/segmenter."
    assert (
        segment.SegmentAlgorithmName == "MedReasoner: a/model" and segment.SegmentAlgorithmType == "AUTOMATIC"
    )


def test_nobody_is_named_and_that_is_said():
    data = dicom(GRAY, PatientComments="Jane")
    written = seg_file(data).data
    assert PATIENT.encode() in data
    assert not any(
        word in written
        for word in (b"Doe", b"Jane", b"MRN", b"19700102", b"20200304", b"ACC-99", b"Roe", b"Mercy")
    )
    plain = pydicom.dcmread(io.BytesIO(written))
    assert (
        plain.PatientIdentityRemoved == "YES"
        and not plain.PatientName
        and not plain.PatientID
        and not plain.StudyDate
    )


def test_an_empty_mask_is_an_empty_segment():
    assert not made(dicom(GRAY), MASK & False).pixel_array.any()


def test_very_long_names_are_cut_to_what_dicom_holds():
    written = seg_file(dicom(GRAY), names=("m" * 3000, "s" * 3000)).data
    (segment,) = pydicom.dcmread(io.BytesIO(written)).SegmentSequence
    assert len(segment.SegmentAlgorithmName) == 64 and len(segment.SegmentDescription) == 1024


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"StudyInstanceUID": None}, "no StudyInstanceUID"),
        ({"SOPClassUID": pydicom.uid.CTImageStorage}, "no Frame Of Reference UID"),
        ({"SOPClassUID": pydicom.uid.UID("1.2.3.4")}, "No DICOM-SEG can be made"),
    ],
)
def test_a_header_that_is_too_poor_is_answered_with_a_sentence(attributes, said):
    with pytest.raises(SegError, match=said):
        seg_file(dicom(GRAY, **attributes))

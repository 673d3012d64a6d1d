"""DICOM files as a whole: frames, files of real machines, and what is kept of them.

python -m pytest tests/imaging/test_dicom.py
"""

import pickle

import numpy as np
import pydicom
import pytest
from pydicom.uid import EnhancedMRImageStorage

from medreasoner.imaging import load_image
from tests.medical import CT, DEEP, GRAY, dicom, item, pixels, refusal, shipped


def test_the_middle_frame_is_read_unless_another_is_asked_for():
    data = dicom(np.stack([GRAY // 3, GRAY, GRAY // 2]), NumberOfFrames=3)
    loaded = load_image(data)
    assert np.array_equal(np.asarray(loaded.image)[..., 0], GRAY)
    assert (loaded.notes[0], loaded.view.frame, loaded.options.frames) == ("Frame 2 of 3 is shown.", 2, 3)
    assert np.array_equal(pixels(data, frame=1)[..., 0], GRAY // 3)
    assert "Frame 4 was asked for" in refusal(data, frame=4) and "only a NIfTI volume" in refusal(
        data, slice=1
    )


def test_each_frame_of_an_enhanced_object_has_its_own_window_scale_and_place():
    def groups(number: int) -> pydicom.Dataset:
        return item(
            FrameVOILUTSequence=[item(WindowCenter=100 * number, WindowWidth=100)],
            PixelValueTransformationSequence=[
                item(RescaleSlope=number, RescaleIntercept=0, RescaleType="US")
            ],
            PlanePositionSequence=[item(ImagePositionPatient=[0, 0, number])],
        )

    shared = item(
        PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25], SliceThickness=3)],
        PlaneOrientationSequence=[item(ImageOrientationPatient=[0, 1, 0, 0, 0, -1])],
    )
    data = dicom(
        np.stack([GRAY.astype(np.int16)] * 2),
        **{
            "SOPClassUID": EnhancedMRImageStorage,
            "NumberOfFrames": 2,
            "Modality": "MR",
            "SharedFunctionalGroupsSequence": [shared],
        },
        PerFrameFunctionalGroupsSequence=[groups(1), groups(2)],
    )
    first, second = (load_image(data, frame=number) for number in (1, 2))
    assert (
        (first.spacing_mm, first.orientation)
        == ((0.25, 0.5), ("A", "P", "H", "F"))
        == (second.spacing_mm, second.orientation)
    )
    assert "level 100, width 100" in first.notes[1] and "level 200, width 100" in second.notes[1]
    assert np.abs(np.asarray(second.image)[..., 0] - np.clip((2.0 * GRAY - 150) / 99, 0, 1) * 255).max() <= 2
    assert [float(v) for v in second.source.header.ImagePositionPatient] == [0, 0, 2]


@pytest.mark.parametrize(
    ("name", "size", "spacing", "letters"),
    [
        ("CT_small.dcm", (128, 128), (0.661468, 0.661468), ("R", "L", "A", "P")),
        ("MR_small.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("MR_small_RLE.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("MR_small_bigendian.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("MR_small_jpeg_ls_lossless.dcm", (64, 64), (0.3125, 0.3125), ("R", "L", "A", "P")),
        ("J2K_pixelrep_mismatch.dcm", (512, 512), (0.431, 0.431), ("R", "L", "AH", "PF")),
        ("JPEG2000.dcm", (256, 1024), (2.26, 2.26), None),
        ("image_dfl.dcm", (512, 512), None, None),
        ("examples_palette.dcm", (800, 350), (0.262288, 0.262288), None),
        ("examples_ybr_color.dcm", (320, 240), (0.510497, 0.510497), None),
    ],
)
def test_files_from_real_machines_are_read(name, size, spacing, letters):
    loaded = load_image(shipped(name))
    assert (loaded.kind, loaded.image.size, loaded.orientation) == ("DICOM", size, letters)
    assert loaded.spacing_mm == (None if spacing is None else pytest.approx(spacing, abs=1e-5))
    assert np.asarray(loaded.image).std() > 10


def test_words_burnt_into_the_image_are_warned_of():
    assert "burnt into its pixels" in load_image(dicom(GRAY, BurnedInAnnotation="YES")).notes[-1]


def test_nothing_of_the_patient_stays_in_what_was_loaded():
    loaded = load_image(dicom(DEEP, **CT, PatientComments="Jane of 4 Elm Street", OtherPatientIDs="SSN-1"))
    kept = pickle.dumps(loaded)
    for word in (b"Doe", b"Jane", b"MRN", b"SSN", b"19700102", b"20200304", b"ACC-99", b"Roe", b"Mercy"):
        assert word not in kept
    assert pickle.loads(kept).source.header.SOPInstanceUID == loaded.source.header.SOPInstanceUID
    assert "PixelData" not in loaded.source.header

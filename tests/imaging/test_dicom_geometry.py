"""Whose millimetres a spacing is in, and which letters a header allows.

python -m pytest tests/imaging/test_dicom_geometry.py
"""

import pytest

from medreasoner.imaging.dicom_geometry import dicom_source, orientation, spacing_mm
from medreasoner.imaging.dicom_header import FrameHeader
from tests.medical import item


def header(**attributes: object) -> FrameHeader:
    return FrameHeader.of(item(**attributes))


CENTIMETRES = {"PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3}
REGION = {"RegionSpatialFormat": 1, **CENTIMETRES, "PhysicalDeltaX": 0.05, "PhysicalDeltaY": -0.02}


@pytest.mark.parametrize(
    ("attributes", "spacing"),
    [
        ({"Modality": "CT", "PixelSpacing": [0.5, 0.25]}, (0.25, 0.5)),  # rows come first in DICOM
        ({"Modality": "MR", "PixelSpacing": [0.5, 0.25], "ImagerPixelSpacing": [0.5, 0.25]}, (0.25, 0.5)),
        (
            {"Modality": "DX", "PixelSpacing": [0.4, 0.4], "ImagerPixelSpacing": [0.5, 0.5]},
            (0.4, 0.4),
        ),  # calibrated
        (
            {"Modality": "XA", "PixelSpacing": [0.4, 0.4], "PixelSpacingCalibrationType": "FIDUCIAL"},
            (0.4, 0.4),
        ),
        ({"Modality": "US", "SequenceOfUltrasoundRegions": [item(**REGION)]}, (0.5, 0.2)),
        (
            {"Modality": "US", "PixelSpacing": [0.3, 0.3], "SequenceOfUltrasoundRegions": [item(**REGION)]},
            (0.3, 0.3),
        ),
    ],
)
def test_spacing_in_the_body_is_told_as_x_and_y(attributes, spacing):
    assert spacing_mm(header(**attributes))[0] == pytest.approx(spacing)


@pytest.mark.parametrize(
    "attributes",
    [
        {"Modality": "DX", "ImagerPixelSpacing": [0.143, 0.143]},
        {"Modality": "MG", "PixelSpacing": [0.143, 0.143], "ImagerPixelSpacing": [0.143, 0.143]},
        {"Modality": "CR", "PixelSpacing": [0.143, 0.143]},
        {"Modality": "OT", "NominalScannedPixelSpacing": [0.143, 0.143]},
    ],
)
def test_spacing_on_a_detector_or_film_is_never_taken_for_the_body_and_that_is_said(attributes):
    spacing, (note,) = spacing_mm(header(**attributes))
    assert spacing is None and "0.143 x 0.143 mm" in note and "not of the body" in note


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"PixelSpacing": [0, 0]},
        {"PixelSpacing": [-1, 1]},
        {"PixelSpacing": None},
        {"SequenceOfUltrasoundRegions": [item(**REGION), item(**REGION)]},  # it depends on where one looks
        {
            "SequenceOfUltrasoundRegions": [item(**{**REGION, "PhysicalUnitsXDirection": 4})]
        },  # seconds: an M-mode or a Doppler trace
    ],
)
def test_no_spacing_is_made_up(attributes):
    assert spacing_mm(header(**attributes)) == (None, ())


def test_letters_come_from_the_orientation_in_the_patient_and_from_nothing_else():
    assert orientation(header(ImageOrientationPatient=[1, 0, 0, 0, 0, -1])) == ("R", "L", "H", "F")
    assert (
        orientation(header(PatientOrientation=["L", "F"], PatientPosition="HFS", ViewPosition="PA")) is None
    )
    for broken in ([1, 0, 0], [0] * 6, [1, 0, 0, 1, 0, 0]):
        assert orientation(header(ImageOrientationPatient=broken)) is None


def test_a_source_holds_identifiers_and_geometry_alone():
    whole = item(
        **{
            "SOPInstanceUID": "1.2",
            "SOPClassUID": "1.3",
            "Rows": 4,
            "Columns": 5,
            "PatientName": "Doe^Jane",
            "StudyDate": "20200304",
        },
        **{
            "PixelSpacing": [1, 2],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "ImagePositionPatient": [1, 2],
            "SliceThickness": 3,
        },
        StudyDescription="Jane's head",
    )
    kept = dicom_source(whole, FrameHeader.of(whole), 1)
    assert {element.keyword for element in kept.header} == {
        *(
            "SOPInstanceUID",
            "SOPClassUID",
            "Rows",
            "Columns",
            "PixelSpacing",
            "ImageOrientationPatient",
            "SliceThickness",
        )
    }
    assert (kept.frame, kept.multi_frame) == (1, False)

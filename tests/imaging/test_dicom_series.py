"""The headers of a folder of DICOM slices are read as one stack; what is none is refused in one sentence.

python -m pytest tests/imaging/test_dicom_series.py
"""

import pydicom
import pytest

from medreasoner.imaging import ImageError
from medreasoner.imaging.dicom_series import read_series
from tests.data.build.volumes_drawn import SPACING, dicom_series, head

VALUES = head()[0]


@pytest.fixture
def folder(tmp_path):
    dicom_series(tmp_path / "series", VALUES)
    return tmp_path / "series"


def changed(path, **elements) -> None:
    dataset = pydicom.dcmread(path)
    for name, value in elements.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    dataset.save_as(path)


def refusal(folder) -> str:
    with pytest.raises(ImageError) as error:
        read_series(folder)
    said = str(error.value)
    assert said.endswith(".") and "\n" not in said
    return said


def test_a_series_is_read_with_its_sizes_plane_and_sources(folder):
    series = read_series(folder)
    assert (series.rows, series.columns, len(series.paths)) == (50, 60, 8)
    assert series.spacing_mm == pytest.approx((SPACING[2], SPACING[1], SPACING[0])) and series.axis == "axial"
    heights = [float(source.header.ImagePositionPatient[2]) for source in series.sources]
    assert heights == sorted(heights) and series.notes == ()


def test_other_files_are_left_out_and_said(folder):
    (folder / "notes.txt").write_text("no image")
    assert read_series(folder).notes == ("1 files of the folder are no DICOM images and were left out.",)


def test_slices_of_other_pixel_sizes_have_no_spacing(folder):
    changed(sorted(folder.iterdir())[0], PixelSpacing=[0.7, 0.7])
    assert read_series(folder).spacing_mm is None


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"SeriesInstanceUID": "1.2.3"}, "holds several series"),
        ({"ImagePositionPatient": None}, "does not say where it lies"),
        ({"ImagePositionPatient": [0.0, 0.0, float("inf")]}, "does not say where it lies"),
        ({"ImageOrientationPatient": None}, "does not say where it lies"),
        ({"NumberOfFrames": 2}, "holds several frames"),
    ],
)
def test_a_slice_that_does_not_belong_is_told(folder, elements, said):
    changed(sorted(folder.iterdir())[2], **elements)
    assert said in refusal(folder)


def test_slices_of_different_sizes_and_folders_without_slices_are_told(folder, tmp_path):
    path = sorted(folder.iterdir())[1]
    dataset = pydicom.dcmread(path)
    dataset.PixelData = dataset.pixel_array[:40].tobytes()
    dataset.Rows = 40
    dataset.save_as(path)
    assert "different sizes (60 x 40, 60 x 50)" in refusal(folder)
    (tmp_path / "empty").mkdir()
    assert "holds no DICOM images" in refusal(tmp_path / "empty")

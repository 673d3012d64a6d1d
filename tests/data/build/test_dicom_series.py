"""A folder of DICOM slices becomes one volume, or a sentence says why not."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file

from medreasoner.data.build.dicom_series import patient_of, read_series
from medreasoner.data.build.source_files import SourceError
from medreasoner.data.build.volume_files import read_volume_and_labels
from tests.data.build.volumes_drawn import dicom_series, head, nifti


def ras_values(folder: Path, tmp_path: Path) -> np.ndarray:
    """The values of a series as right, anterior, up."""
    affine_of = read_series(folder)[0].to_nibabel()
    import nibabel

    return np.asarray(nibabel.as_closest_canonical(affine_of).dataobj)


def rewrite(folder: Path, change) -> None:
    """`change(dataset, number)` on every slice, counted from below."""
    paths = sorted(folder.iterdir(), key=lambda path: float(pydicom.dcmread(path).ImagePositionPatient[2]))
    for number, path in enumerate(paths):
        ds = pydicom.dcmread(path)
        change(ds, number)
        ds.save_as(path, enforce_file_format=True)


def test_slices_come_into_order_as_hounsfield_units(tmp_path):
    values, _ = head()
    dicom_series(tmp_path / "a", values)
    volume, modality = read_series(tmp_path / "a")
    assert modality == "CT" and volume.array.dtype == np.float32
    assert np.array_equal(ras_values(tmp_path / "a", tmp_path), values)
    assert volume.spacing == pytest.approx((5, 0.8, 0.8))


def test_slices_of_a_scanner_make_a_volume():
    files = sorted(Path(get_testdata_file("DICOMDIR")).parent.glob("98892001/CT5N/*"))
    volume, modality = read_series(files[0].parent)
    assert modality == "CT" and volume.spatial_shape == (len(files), 16, 16)
    heights = sorted(float(pydicom.dcmread(path).ImagePositionPatient[2]) for path in files)
    assert volume.spacing_between_slices == pytest.approx(heights[1] - heights[0])


@pytest.mark.parametrize(
    "missing", [{"RescaleSlope": "", "RescaleIntercept": ""}, {"FrameOfReferenceUID": ""}]
)
def test_empty_values_count_as_none(tmp_path, missing):
    values, _ = head()
    dicom_series(tmp_path / "a", values, **missing)
    shift = 1024 if "RescaleSlope" in missing else 0
    assert np.array_equal(ras_values(tmp_path / "a", tmp_path), values + shift)


@pytest.mark.parametrize(("modality", "sign"), [("CT", 1), ("MR", -1)])
def test_white_for_low_is_turned_over_but_not_in_hounsfield_units(tmp_path, modality, sign):
    values, _ = head()
    dicom_series(tmp_path / "a", values, Modality=modality, PhotometricInterpretation="MONOCHROME1")
    found = ras_values(tmp_path / "a", tmp_path)
    assert np.sign(found.astype(float)[30, 30, 3] - found.astype(float)[0, 0, 0]) == sign


def test_several_series_are_refused():
    localisers = min(Path(get_testdata_file("DICOMDIR")).parent.glob("98892003/MR1/*")).parent
    with pytest.raises(SourceError, match="put each series into a folder of its own"):
        read_series(localisers)


def scout(ds: pydicom.Dataset, number: int) -> None:
    if number == 3:
        ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]


def tilted(ds: pydicom.Dataset, number: int) -> None:
    ds.ImagePositionPatient = [-20, -10 + 0.6 * number, 5 * number]


def twice(ds: pydicom.Dataset, number: int) -> None:
    if number == 3:
        ds.ImagePositionPatient = [-20, -10, 20]


def uneven(ds: pydicom.Dataset, number: int) -> None:
    if number > 3:
        ds.ImagePositionPatient = [-20, -10, 5 * number + 2]


def placeless(ds: pydicom.Dataset, number: int) -> None:
    del ds.ImagePositionPatient


def cut(ds: pydicom.Dataset, number: int) -> None:
    ds.PixelData = ds.PixelData[: 100 if number == 2 else None]


def comma(ds: pydicom.Dataset, number: int) -> None:
    ds.add(pydicom.DataElement("PixelSpacing", "DS", "0,8\\0,8", validation_mode=0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (scout, "do not lie in parallel"),
        (tilted, "a tilted gantry"),
        (twice, "expected slices evenly apart; one of 8 is missing or twice there"),
        (uneven, "expected slices evenly apart"),
        (placeless, "that say where they lie"),
        (cut, "cannot be decoded"),
    ],
)
def test_what_is_no_even_stack_is_refused_with_the_reason(tmp_path, change, said):
    dicom_series(tmp_path / "a", head()[0])
    rewrite(tmp_path / "a", change)
    with pytest.raises(SourceError, match=f"a: .*{said}"):
        read_series(tmp_path / "a")


def test_a_slice_that_is_missing_is_refused(tmp_path):
    values, marks = head()
    dicom_series(tmp_path / "a", values)
    nifti(tmp_path / "a.nii.gz", marks)
    (tmp_path / "a/0.dcm").unlink()  # the first: the rest is an even stack of another shape
    with pytest.raises(SourceError, match="expected the grid"):
        read_volume_and_labels(tmp_path / "a", tmp_path / "a.nii.gz")
    (tmp_path / "a/2.dcm").unlink()
    with pytest.raises(SourceError, match="expected slices evenly apart"):
        read_series(tmp_path / "a")


def test_a_little_unevenness_and_tilt_are_borne(tmp_path):
    values, _ = head()
    dicom_series(tmp_path / "a", values)
    rewrite(
        tmp_path / "a",
        lambda ds, n: setattr(ds, "ImagePositionPatient", [-20, -10 + 0.05 * n, 5 * n + 0.1 * (n % 2)]),
    )
    assert np.array_equal(ras_values(tmp_path / "a", tmp_path), values)


def test_damaged_slices_end_in_a_sentence(tmp_path):
    """Bytes are changed, cut out and taken away all over one slice of a small series."""
    dicom_series(tmp_path / "a", head()[0][:6, :5, :3])
    path = tmp_path / "a/1.dcm"
    whole, rng, refused = path.read_bytes(), np.random.default_rng(0), 0
    for _ in range(120):
        data, place = bytearray(whole), int(rng.integers(132, len(whole)))
        match rng.integers(3):
            case 0:
                data[place] = int(rng.integers(256))
            case 1:
                del data[place : place + int(rng.integers(1, 40))]
            case 2:
                data = data[:place]
        path.write_bytes(data)
        patient_of(tmp_path / "a")
        try:
            read_series(tmp_path / "a")
        except SourceError:
            refused += 1
    assert refused > 20


def test_patients_are_told_apart_without_being_named(tmp_path):
    values, _ = head()
    dicom_series(tmp_path / "a", values, "12345")
    dicom_series(tmp_path / "b", values, "")
    assert patient_of(tmp_path / "a") == "12345"
    study = str(pydicom.dcmread(tmp_path / "b/0.dcm").StudyInstanceUID)
    assert patient_of(tmp_path / "b") == study
    (tmp_path / "c").mkdir()
    assert patient_of(tmp_path / "c") == "c"

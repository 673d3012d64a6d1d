"""One slice shows the same bytes in every format, on the page, at the command line and in training data.

python -m pytest tests/imaging/test_same_bytes.py
"""

import io
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from medreasoner.data.build.source_files import Options
from medreasoner.data.build.sources import open_source
from tests.medical import dicom, encoded, pixels, uid

RANDOM = np.random.default_rng(0)
SIZE = 64
MARKS = np.zeros((SIZE, SIZE), np.uint8)
MARKS[20:30, 22:40] = 1


def body(mean: float, deviation: float, outside: float) -> np.ndarray:
    """A noisy disc with a brighter spot, as displayed (rows, columns)."""
    y, x = np.mgrid[:SIZE, :SIZE] - SIZE / 2
    values = np.where(np.hypot(x, y) < 25, RANDOM.normal(mean, deviation, x.shape), outside)
    return np.rint(values + MARKS * 3 * deviation).astype(np.int16)


SLICES = {"MR": body(600, 90, 0), "MR with a fill": body(600, 90, 32767), "CT": body(40, 20, -1000)}


def nii(shown: np.ndarray) -> bytes:
    """A volume of three such slices that is stored as its picture is shown when it is read."""
    volume = np.repeat(shown.T[::-1, ::-1, None], 3, axis=2)
    return nibabel.Nifti1Image(volume, np.diag([1, 1, 4, 1])).to_bytes()


def tiff(shown: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, shown, metadata=None)
    return file.getvalue()


def built(source: Path, out: Path, modality: str) -> np.ndarray:
    (item,) = open_source(source, out, Options(labels={1: "spleen"}, modality=modality, licence="CC0"))
    return np.asarray(Image.open(item.image))


@pytest.mark.parametrize("name", SLICES)
def test_every_file_format_shows_the_same(name):
    shown, modality = SLICES[name], name[:2]
    expected = pixels(shown)
    rescaled = dicom(
        (shown + 1024).astype(np.uint16), Modality=modality, RescaleSlope=1, RescaleIntercept=-1024
    )
    files = {
        "NIfTI": nii(shown),
        "TIFF": tiff(shown),
        "DICOM": rescaled,
        "float TIFF": tiff(shown.astype(np.float32)),
    }
    if shown.min() >= 0:
        files["PNG"] = encoded(Image.fromarray(shown.astype(np.uint16)))
        files["DICOM of stored values"] = dicom(shown, Modality=modality)
    for kind, data in files.items():
        assert np.array_equal(pixels(data), expected), kind


@pytest.mark.parametrize("name", SLICES)
def test_training_data_of_a_nifti_volume_shows_the_same(name, tmp_path):
    shown = SLICES[name]
    for folder, values in (("images", shown), ("masks", MARKS)):
        (tmp_path / "src" / folder).mkdir(parents=True)
        (tmp_path / "src" / folder / "Ann.nii").write_bytes(nii(values))
    found = built(tmp_path / "src", tmp_path / "out", {"MR": "MRI"}.get(name[:2], "CT"))
    assert np.array_equal(found, pixels(shown)[..., 0])


@pytest.mark.parametrize("name", ["MR", "CT"])
def test_training_data_of_a_dicom_series_shows_the_same(name, tmp_path):
    shown = SLICES[name]
    (tmp_path / "src/images/Ann").mkdir(parents=True)
    (tmp_path / "src/masks").mkdir()
    for number in range(3):
        place = {"ImagePositionPatient": [0, 0, 4 * number], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        place |= {"PixelSpacing": [1, 1], "SliceThickness": 4, "FrameOfReferenceUID": uid("frame")}
        rescale = {"RescaleSlope": 1, "RescaleIntercept": -1024}
        storage = {"SOPClassUID": pydicom.uid.CTImageStorage, "SOPInstanceUID": uid(f"slice {number}")}
        values = (shown + 1024).astype(np.uint16)
        data = dicom(values, Modality=name, **storage, **place, **rescale, InstanceNumber=number + 1)
        (tmp_path / f"src/images/Ann/{number}.dcm").write_bytes(data)
    affine = np.diag([-1.0, -1, 4, 1])  # DICOM counts to the left and to the back
    marks = nibabel.Nifti1Image(np.repeat(MARKS.T[:, :, None], 3, axis=2), affine)
    nibabel.save(marks, tmp_path / "src/masks/Ann.nii")
    found = built(tmp_path / "src", tmp_path / "out", {"MR": "MRI"}.get(name, "CT"))
    assert np.array_equal(found, pixels(data)[..., 0])

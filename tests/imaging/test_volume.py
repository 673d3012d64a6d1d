"""A NIfTI file or a folder of DICOM slices opens as a volume; what is none is refused in one sentence.

python -m pytest tests/imaging/test_volume.py
"""

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.uid import generate_uid

from medreasoner.imaging import ImageError, load_image, load_volume
from tests.data.build.volumes_drawn import SPACING, dicom_series, head, nifti

VALUES = head()[0]


def refused(path, **options) -> str:
    with pytest.raises(ImageError) as error:
        load_volume(path, **options)
    return str(error.value)


def changed(folder, change) -> None:
    for number, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        change(dataset, number)
        dataset.save_as(path)


def test_a_nifti_volume_shows_each_slice_as_an_image_would(tmp_path):
    nifti(tmp_path / "v.nii.gz", VALUES)
    volume = load_volume(tmp_path / "v.nii.gz")
    assert (volume.shape, volume.axis, volume.kind) == ((8, 50, 60), "axial", "NIfTI")
    assert volume.spacing_mm == pytest.approx(SPACING[::-1])
    for number in (1, 4, 8):
        shown = load_image(tmp_path / "v.nii.gz", slice=number)
        assert np.array_equal(np.asarray(volume.picture(number)), np.asarray(shown.image))
        assert volume.slice(number).view == shown.view
    with pytest.raises(ImageError, match="has 8 slices"):
        volume.slice(9)


def test_axis_and_window_are_kept_for_all_slices(tmp_path):
    nifti(tmp_path / "v.nii.gz", np.repeat(VALUES, 3, axis=2), spacing=(1, 1, 1))
    volume = load_volume(tmp_path / "v.nii.gz", axis="coronal", window="CT lung")
    assert volume.shape == (50, 24, 60) and volume.axis == "coronal"
    assert volume.slice(20).view.window == "CT lung"
    assert volume.volume_ml(np.ones(volume.shape, bool)) == pytest.approx(50 * 24 * 60 / 1000)


def test_a_series_is_put_in_order_whatever_its_files_are_called(tmp_path):
    made = dicom_series(tmp_path / "a", VALUES)
    (tmp_path / "a/notes.txt").write_text("not an image")
    volume = load_volume(tmp_path / "a")
    assert (volume.shape, volume.axis, volume.kind) == ((8, 50, 60), "axial", "DICOM")
    assert volume.spacing_mm == pytest.approx((5, 0.8, 0.8))
    assert [source.header.SOPInstanceUID for source in volume.source] == [ds.SOPInstanceUID for ds in made]
    assert "1 files of the folder are no DICOM images" in volume.notes[0]
    nifti(tmp_path / "v.nii.gz", VALUES)
    assert np.array_equal(
        np.asarray(volume.picture(4)), np.asarray(load_volume(tmp_path / "v.nii.gz").picture(4))
    )


def shift(dataset, number):
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y + 0.5 * z, z]


def turned(dataset, number):
    if number == 3:
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def doubled(dataset, number):
    if number == 3:
        dataset.ImagePositionPatient = [-20, -10, 5]


def placeless(dataset, number):
    if number == 3:
        del dataset.ImagePositionPatient


def mixed(dataset, number):
    if number == 3:
        dataset.SeriesInstanceUID = generate_uid()


def smaller(dataset, number):
    if number == 3:
        dataset.Rows, dataset.PixelData = 40, dataset.PixelData[: 40 * 60 * 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (shift, "a tilted gantry"),
        (turned, "do not lie in parallel"),
        (doubled, "1 of the 8 slices lie where another one does"),
        (placeless, "3.dcm does not say where it lies"),
        (mixed, "holds several series"),
        (smaller, "different sizes (60 x 40, 60 x 50)"),
    ],
)
def test_a_folder_that_is_no_even_stack_is_refused_with_the_reason(tmp_path, change, said):
    dicom_series(tmp_path / "a", VALUES)
    changed(tmp_path / "a", change)
    assert said in refused(tmp_path / "a")


def test_a_missing_slice_is_named(tmp_path):
    dicom_series(tmp_path / "a", VALUES)
    (tmp_path / "a/1.dcm").unlink()  # the sixth
    assert "after slice 5 of 7 come 10 mm, elsewhere 5 mm" in refused(tmp_path / "a")


def test_what_is_no_volume_is_said_to_be_none(tmp_path):
    Image.new("L", (60, 50)).save(tmp_path / "a.png")
    assert "holds a single image" in refused(tmp_path / "a.png")
    (tmp_path / "empty").mkdir()
    assert "holds no DICOM images" in refused(tmp_path / "empty")
    assert "There is no file" in refused(tmp_path / "none.nii")
    nifti(tmp_path / "flat.nii", VALUES[:, :, :1])
    assert "holds 1 slice" in refused(tmp_path / "flat.nii")
    dicom_series(tmp_path / "s", VALUES)
    assert "leave axis and frame out" in refused(tmp_path / "s", axis="coronal")


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
def test_a_volume_that_unpacks_to_more_than_there_is_room_for_is_refused(tmp_path, monkeypatch, name):
    nifti(tmp_path / name, np.zeros((200, 200, 60)))
    monkeypatch.setattr("medreasoner.imaging.read.MAX_BYTES", 1 << 20)
    assert refused(tmp_path / name) == "The file holds more than 1 MiB; give one image or one slice."


def test_one_moment_of_several_is_said(tmp_path):
    nifti(tmp_path / "v.nii", np.stack([VALUES, 0.5 * VALUES], axis=3), spacing=SPACING)
    volume = load_volume(tmp_path / "v.nii", frame=2)
    assert "Frame 2 of 2 is shown." in volume.notes

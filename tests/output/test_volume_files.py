"""The mask of a volume goes home in the volume's own grid: other readers find the same voxels in the same place.

python -m pytest tests/output/test_volume_files.py
"""

import json

import highdicom
import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK

from medreasoner.events import Absent, Done, VolumeDone
from medreasoner.geometry import Grounding
from medreasoner.imaging import load_volume
from medreasoner.output.size import long_axis_mm, longest_axis_mm
from medreasoner.output.volume_files import save_volume
from tests.data.build.volumes_drawn import SPACING, dicom_series, head, nifti


def done_of(volume, mask: np.ndarray) -> VolumeDone:
    number = int(mask.sum(axis=(1, 2)).argmax()) + 1
    grounding = Grounding((5, 5, 15, 15), ((7, 7), (9, 9)))
    wh = volume.shape[:0:-1]
    key = Done(
        "why", "text", grounding, mask[number - 1], 0.9, wh, (), {"total": 1.0}, None, "model", "segmenter"
    )
    return VolumeDone(
        key=key,
        slice=number,
        mask=mask,
        scores={number: 0.9},
        scanned=(),
        axis=volume.axis,
        spacing_mm=volume.spacing_mm,
        volume_ml=volume.volume_ml(mask),
        long_axis_mm=longest_axis_mm(mask, volume.spacing_mm),
        notes=(),
        timings_s={"total": 2.0},
    )


def drawn(shape: tuple[int, int, int]) -> np.ndarray:
    """A mask without any symmetry, empty in its first and last slice."""
    mask = np.zeros(shape, bool)
    mask[2:5, 6:20, 4:10] = mask[3, 6:9, 4:30] = True
    return mask


@pytest.mark.parametrize("flip", [False, True])
def test_a_nifti_mask_lies_in_the_grid_of_its_volume(tmp_path, flip):
    values, _ = head()
    nifti(tmp_path / "v.nii.gz", values, flip=flip)
    volume = load_volume(tmp_path / "v.nii.gz")
    mask = drawn(volume.shape)
    paths = save_volume(done_of(volume, mask), volume, tmp_path / "out")
    assert [path.name for path in paths] == ["grounding.json", "overlay.png", "mask.nii.gz"]
    image, made = (SimpleITK.ReadImage(str(path)) for path in (tmp_path / "v.nii.gz", paths[-1]))
    assert made.GetSize() == image.GetSize() and made.GetDirection() == image.GetDirection()
    assert np.allclose((*made.GetOrigin(), *made.GetSpacing()), (*image.GetOrigin(), *image.GetSpacing()))
    stored = np.asarray(nibabel.load(paths[-1]).dataobj)
    assert set(np.unique(stored)) == {0, 1} and stored.sum() == mask.sum()
    # the slice as it is shown, with its mask, is the stored slice
    bright = np.asarray(volume.picture(4))[..., 0] > 200
    again = save_volume(
        done_of(volume, np.stack([bright if n == 3 else 0 * bright for n in range(8)])), volume, tmp_path
    )
    assert np.array_equal(
        np.asarray(nibabel.load(again[-1]).dataobj)[..., 3] > 0,
        nibabel.load(tmp_path / "v.nii.gz").get_fdata()[..., 3] > 100,
    )
    content = json.loads(paths[0].read_text())
    assert content["volume"]["volume_ml"] == pytest.approx(mask.sum() * np.prod(SPACING) / 1000)
    assert content["volume"]["slices"] == [3, 5] and content["volume"]["slice"] == 4
    assert content["mask"] == "mask.nii.gz" and content["found"] and "Research use" in content["notice"]


def test_a_dicom_mask_is_a_segmentation_over_its_series(tmp_path):
    values, _ = head()
    made = dicom_series(tmp_path / "series", values, FrameOfReferenceUID="1.2.3.4")
    volume = load_volume(tmp_path / "series")
    mask = drawn(volume.shape)
    paths = save_volume(done_of(volume, mask), volume, tmp_path / "out")
    assert paths[-1].name == "mask.dcm" and json.loads(paths[0].read_text())["mask"] == "mask.dcm"
    seg = highdicom.seg.segread(paths[-1])
    for number, dataset in enumerate(made, 1):
        frames = seg.get_pixels_by_source_instance(
            [dataset.SOPInstanceUID], ignore_spatial_locations=True, assert_missing_frames_are_empty=True
        )
        assert np.array_equal(frames[0, ..., 0] > 0, mask[number - 1])
    assert seg.get_volume(combine_segments=True).array.sum() == mask.sum()
    read = SimpleITK.ReadImage(str(paths[-1]))
    assert np.array_equal(SimpleITK.GetArrayFromImage(read) > 0, mask[2:5])
    assert pydicom.dcmread(paths[-1]).PatientIdentityRemoved == "YES"


def test_a_series_that_no_segmentation_can_refer_to_still_gives_the_rest(tmp_path):
    dicom_series(tmp_path / "series", head()[0])  # no frame of reference
    volume = load_volume(tmp_path / "series")
    paths = save_volume(done_of(volume, drawn(volume.shape)), volume, tmp_path / "out")
    content = json.loads(paths[0].read_text())
    assert [path.name for path in paths] == ["grounding.json", "overlay.png"] and content["mask"] is None
    assert "FrameOfReferenceUID" in content["left_out"][0]


def test_where_nothing_was_found_the_json_says_so_and_old_files_go(tmp_path):
    nifti(tmp_path / "v.nii.gz", head()[0])
    volume = load_volume(tmp_path / "v.nii.gz")
    save_volume(done_of(volume, drawn(volume.shape)), volume, tmp_path / "out")
    absent = Absent("why", "text", volume.shape[:0:-1], (), {"total": 1.0}, None, "model", "segmenter")
    (path,) = save_volume(absent, volume, tmp_path / "out")
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["grounding.json"]
    assert json.loads(path.read_text())["found"] is False


def test_the_long_axis_is_measured_from_corner_to_corner_of_pixels():
    mask = np.zeros((20, 20), bool)
    mask[5, 4:10] = True
    assert long_axis_mm(mask, (2.0, 1.0)) == pytest.approx(np.hypot(2, 6))
    assert long_axis_mm(np.zeros((4, 4), bool), (1.0, 1.0)) == 0
    stack = np.stack([mask, np.zeros_like(mask)])
    assert longest_axis_mm(stack, (5.0, 2.0, 1.0)) == pytest.approx(np.hypot(2, 6))

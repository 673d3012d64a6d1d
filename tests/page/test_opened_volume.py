"""What the page asks as a whole is decoded by the opener's process, and is what a volume is elsewhere.

python -m pytest tests/page/test_opened_volume.py
"""

from dataclasses import replace

import nibabel
import numpy as np
import pytest

from medreasoner.imaging import ImageError, ViewSelection, load_volume
from medreasoner.imaging.opener import ImageOpener
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.opened_volume import open_volume


@pytest.fixture(scope="module")
def opener():
    return ImageOpener()


@pytest.fixture(params=["v.nii.gz", "v.nii"])
def path(request, tmp_path):
    """Two moments, oblique, its slices across the first stored axis, in mm that differ along each."""
    values = np.random.default_rng(0).integers(0, 900, (18, 20, 24, 2)).astype(np.int16)
    turned = np.array([[0, 0.1, 0.6, 4], [0, 0.8, -0.1, 5], [-3, 0, 0, 6], [0, 0, 0, 1]])
    image = nibabel.Nifti1Image(values, turned)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, tmp_path / request.param)
    return tmp_path / request.param


def test_a_volume_by_the_opener_is_the_volume_that_is_read_directly(opener, path):
    files, _ = OpenedFiles.read([path], opener)
    shown = files.load(ViewSelection(slice=3, axis="axial", frame=2), opener)
    there, here = open_volume(files, shown, opener), load_volume(path, "axial", 2)
    assert (there.shape, there.axis, there.kind) == (here.shape, here.axis, here.kind) and here.shape[0] == 18
    assert there.spacing_mm == pytest.approx(here.spacing_mm, rel=1e-5)
    for number in range(1, 19):
        ours, theirs = there.slice(number), here.slice(number)
        assert ours.image.tobytes() == theirs.image.tobytes() and ours.view == theirs.view
    mask = np.random.default_rng(1).random(here.shape) > 0.5
    assert there.source.mask_file(mask, "test") == here.source.mask_file(mask, "test")


def test_other_files_between_two_slices_change_nothing(opener, path):
    files, shown = OpenedFiles.read([path], opener)
    volume = open_volume(files, shown, opener)
    before = volume.slice(2).image.tobytes()
    other = files.load(replace(shown.view, axis="coronal", slice=4), opener)
    assert other.view.axis == "coronal"
    assert open_volume(files, other, opener).slice(2).image.tobytes() != before
    assert volume.slice(2).image.tobytes() == before


def test_the_limits_of_the_opener_hold_for_a_whole_volume(opener, path):
    files, shown = OpenedFiles.read([path], opener)
    hurried = ImageOpener(seconds=0.0)
    volume = open_volume(files, shown, hurried)
    with pytest.raises(ImageError, match="took over 0 s"):
        for _ in range(200):  # a quick one may be through before it is ended
            volume.slice(1)
    hurried._seconds = 60.0
    assert volume.slice(1).image.size == shown.image.size


def test_memory_that_a_volume_takes_is_taken_in_the_opener_and_limited(opener, tmp_path):
    side = 1200
    image = nibabel.Nifti1Image(np.zeros((side, side, 60), np.int16), np.eye(4))
    nibabel.save(image, tmp_path / "large.nii.gz")
    files, shown = OpenedFiles.read([tmp_path / "large.nii.gz"], opener)
    with pytest.raises(ImageError, match="more than 180 MiB"):
        open_volume(files, shown, ImageOpener(memory=180 << 20)).slice(1)
    assert open_volume(files, shown, opener).slice(60).image.size == shown.image.size

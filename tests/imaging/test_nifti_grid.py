"""Which of a header's forms places a volume, and that sizes and axes are those of that form.

python -m pytest tests/imaging/test_nifti_grid.py
"""

import gzip

import nibabel
import numpy as np
import pytest

from medreasoner.imaging import load_image

SHAPE = (20, 24, 22)


def volume(
    sform: np.ndarray | None, qform: np.ndarray | None, pixdim: tuple[float, ...] | None = None
) -> bytes:
    """A volume with these forms, each valid if it is given, and voxel sizes written afterwards."""
    values = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
    image = nibabel.Nifti1Image(values, None)
    header = image.header
    header.set_xyzt_units("mm")
    header.set_qform(qform, 1 if qform is not None else 0)
    header.set_sform(sform, 1 if sform is not None else 0)
    if pixdim is not None:
        header["pixdim"][1:4] = pixdim
    return header.binaryblock + bytes(4) + values.tobytes(order="F")


HALF = np.diag([0.5, 0.5, 0.5, 1])
TILTED = np.array([[0, 0, 2.0, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])  # stored front, head, right


def test_sizes_are_those_of_the_sform_whatever_pixdim_says():
    loaded = load_image(volume(HALF, None, (1, 1, 1)))
    assert loaded.spacing_mm == (0.5, 0.5)
    written = nibabel.Nifti1Image.from_bytes(
        gzip.decompress(loaded.source.mask_file(np.zeros((24, 20), bool), "n"))
    )
    assert np.array_equal(written.affine, HALF) and written.header.get_zooms() == (0.5, 0.5, 0.5)


def test_the_axis_is_chosen_by_the_sizes_of_the_affine_that_is_used():
    thick = np.diag([1.0, 5, 1, 1])
    assert load_image(volume(thick, None, (1, 1, 9))).view.axis == "coronal"


@pytest.mark.parametrize(
    "broken",
    [
        np.zeros((4, 4)),
        np.full((4, 4), np.nan),
        np.diag([1, 1, 0, 1]),
        np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
        np.diag([np.inf, 1, 1, 1]),
        np.diag([1e-12, 1, 1, 1]),
    ],
    ids=["zero", "NaN", "flat", "parallel", "infinite", "tiny"],
)
def test_an_sform_that_is_no_affine_is_passed_over_for_the_qform_and_that_is_said(broken):
    loaded = load_image(volume(broken, TILTED))
    whole = load_image(volume(None, TILTED))
    assert loaded.image.tobytes() == whole.image.tobytes()
    assert (loaded.orientation, loaded.spacing_mm, loaded.view) == (
        whole.orientation,
        whole.spacing_mm,
        whole.view,
    )
    assert "The file's sform is no affine of a volume and is not used." in loaded.notes
    mask = np.zeros(loaded.image.size[::-1], bool)
    written = nibabel.Nifti1Image.from_bytes(gzip.decompress(loaded.source.mask_file(mask, "notice")))
    assert np.allclose(written.affine, TILTED, atol=1e-6) and written.header["sform_code"] == 0


def test_without_a_usable_form_the_sizes_stay_and_the_sides_are_not_certain():
    loaded = load_image(volume(np.zeros((4, 4)), None, (0.5, 0.5, 2)))
    assert loaded.spacing_mm == (0.5, 0.5) and loaded.orientation is None and loaded.view.axis == "axial"
    assert any("does not say how it lies" in note for note in loaded.notes)


@pytest.mark.parametrize("pixdim", [(0, 0, 0), (np.nan, 1, 1), (1, np.inf, 1)])
def test_without_sizes_none_are_made_up(pixdim):
    loaded = load_image(volume(None, None, pixdim))
    assert loaded.spacing_mm is None and any("no sizes of voxels" in note for note in loaded.notes)


def test_a_qform_with_an_impossible_rotation_is_no_qform():
    data = bytearray(volume(None, TILTED))
    data[256:268] = np.array([5, 5, 5], np.float32).tobytes()  # the quaternion
    loaded = load_image(bytes(data))
    assert loaded.orientation is None and any("qform is no affine" in note for note in loaded.notes)


def test_voxels_that_are_not_square_are_said_to_be_shown_as_if_they_were():
    data = volume(np.diag([1.0, 1, 3, 1]), None)
    assert "not square (1 : 3)" in load_image(data, axis="coronal").notes[-1]
    assert not any("not square" in note for note in load_image(data, axis="axial").notes)

"""Volumes stored along any axes show the same slices, and a mask goes back to where its slice lies.

python -m pytest tests/imaging/test_nifti.py
"""

import gzip

import nibabel
import numpy as np
import pytest

from medreasoner.imaging.read import load_image
from tests.medical import nifti, pixels, refusal

ORDERS = ["RAS", "LPS", "PIR", "SAL"]
SHOWN = {
    "axial": ((30, 40), ("R", "L", "A", "P")),
    "coronal": ((30, 20), ("R", "L", "H", "F")),
    "sagittal": ((40, 20), ("A", "P", "H", "F")),
}


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_volume_stored_along_any_axes_shows_the_same_axial_slice(axes, kind):
    loaded = load_image(nifti(axes, (0.5, 0.75, 3), kind))
    shown = np.asarray(loaded.image)[..., 0]
    assert loaded.image.size == (30, 40)
    assert loaded.spacing_mm == pytest.approx((0.5, 0.75))
    assert shown[20, 0] > shown[20, 29]  # the patient's right, the larger R here, is on the left
    assert shown[0, 15] > shown[39, 15]  # anterior is up
    assert loaded.kind == "NIfTI"
    assert "Axial slice 11 of 20" in loaded.notes[0]
    assert (loaded.view.slice, loaded.view.axis, loaded.options.slices) == (11, "axial", 20)


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("axis", SHOWN)
def test_each_axis_shows_the_body_as_a_reading_room_does_and_names_its_sides(axes, axis):
    loaded = load_image(nifti(axes), axis=axis)
    size, letters = SHOWN[axis]
    assert (loaded.image.size, loaded.orientation, loaded.options.axes) == (
        size,
        letters,
        ("axial", "coronal", "sagittal"),
    )
    shown = np.asarray(loaded.image)[..., 0].astype(int)
    assert (
        shown[:, 0].mean() > shown[:, -1].mean()
    )  # values grow to the right and to the front, which are on the left
    assert shown[0].mean() >= shown[-1].mean()  # and, less, to the head


def test_slices_are_counted_along_the_stored_axis_from_1():
    values = np.zeros((20, 20, 3), np.int16) + np.array([100, 200, 300], dtype=np.int16)
    data = nibabel.Nifti1Image(values, np.eye(4)).to_bytes()
    assert [pixels(data, slice=n, window="200/400").max() for n in (1, 2, 3)] == [64, 128, 191]
    assert "Axial slice 4 was asked for" in refusal(data, slice=4) and "slice 0" in refusal(data, slice=0)
    assert "expected one of axial, coronal, sagittal" in refusal(data, axis="oblique")


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [((1, 1, 1), "axial"), ((4, 1, 1), "sagittal"), ((1, 4, 1), "coronal"), ((1, 1.2, 1), "axial")],
)
def test_left_to_itself_a_volume_is_cut_across_its_thick_slices(spacing, axis):
    assert load_image(nifti("RAS", spacing)).view.axis == axis


def test_axes_whose_slices_would_be_too_small_are_not_offered():
    data = nibabel.Nifti1Image(np.zeros((8, 20, 20), np.float32), np.eye(4)).to_bytes()
    loaded = load_image(data)
    assert (loaded.view.axis, loaded.options.axes) == ("sagittal", ("sagittal",))
    assert "8 x 20" in refusal(data, axis="axial")


def test_a_file_that_does_not_say_how_it_lies_gets_no_letters():
    volume = nibabel.Nifti1Image(np.zeros((20, 24, 18), np.int16), None)
    volume.header.set_xyzt_units("mm")
    loaded = load_image(volume.to_bytes())
    assert loaded.orientation is None and "does not say how it lies" in loaded.notes[-1]


def test_an_oblique_volume_names_both_directions():
    affine = np.eye(4)  # its first axis runs to the right and, 34 degrees off, to the feet
    affine[:3, :3] = [[np.cos(0.6), 0, np.sin(0.6)], [0, 1, 0], [-np.sin(0.6), 0, np.cos(0.6)]]
    assert load_image(
        nibabel.Nifti1Image(np.zeros((20, 20, 20), np.int16), affine).to_bytes()
    ).orientation == ("RF", "LH", "A", "P")


@pytest.mark.parametrize(
    ("unit", "spacing", "said"),
    [("mm", 2, False), ("micron", 0.002, False), ("meter", 2000, False), ("unknown", 2, True)],
)
def test_spacing_is_given_in_mm_whatever_the_unit_and_an_assumed_one_is_said(unit, spacing, said):
    loaded = load_image(nifti("RAS", (2, 2, 2), unit=unit))
    assert loaded.spacing_mm == pytest.approx((spacing, spacing))
    assert any("names no unit" in note for note in loaded.notes) == said


def test_a_compressed_volume_in_time_shows_its_first_moment_or_the_one_that_is_asked_for():
    values = np.zeros((20, 24, 5, 3), np.float32)
    values[..., 0] = np.arange(20)[:, None, None]
    values[..., 2] = np.arange(24)[:, None]
    data = gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    loaded, third = load_image(data), pixels(data, frame=3)[..., 0]
    assert np.asarray(loaded.image)[0, :, 0].std() > 50 and third[:, 0].std() > 50 and third[0].std() == 0
    assert (loaded.view.frame, loaded.options.frames) == (1, 3) and "Frame 1 of 3 is shown." in loaded.notes
    assert "has 3 of them" in refusal(data, frame=4)


def test_windows_of_ct_are_offered_where_values_are_as_low_as_air():
    values = np.full((20, 20, 20), -1000, np.int16)
    values[5:15] = 40
    loaded = load_image(nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), window="CT brain")
    assert "CT lung" in loaded.options.windows and "level 40, width 80" in loaded.notes[1]
    assert set(np.unique(np.asarray(loaded.image))) == {0, 128}
    assert load_image(nifti()).options.windows == ("auto", "full range")


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("axis", SHOWN)
@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_mask_goes_back_into_the_grid_where_its_slice_lies(axes, axis, kind):
    data = nifti(axes, (0.5, 0.75, 3), kind)
    loaded = load_image(data, axis=axis, slice=8)
    shown = np.asarray(loaded.image)[..., 0]
    mask = shown >= np.percentile(shown, 90)
    written = kind.from_bytes(
        gzip.decompress(loaded.source.mask_file(mask, "Research use only. Not for diagnosis."))
    )
    original = kind.from_bytes(data)
    assert np.array_equal(written.affine, original.affine) and written.shape == original.shape
    assert (
        written.header.get_xyzt_units() == ("mm", "unknown")
        and written.header.get_zooms() == original.header.get_zooms()
    )
    assert bytes(written.header["descrip"]).rstrip(b"\0") == b"Research use only. Not for diagnosis."
    inside = np.asarray(written.dataobj).astype(bool)
    assert inside.sum() == mask.sum() > 0 and written.get_data_dtype() == np.uint8
    # asked in the same view, the mask's own volume shows the mask, and the values under it are the largest of
    # that slice
    assert np.array_equal(
        pixels(written.to_bytes(), axis=axis, slice=8, window="full range")[..., 0] > 0, mask
    )
    where = np.argwhere(inside)
    (across,) = np.flatnonzero((where == where[0]).all(axis=0))
    same_slice = np.take(np.asarray(original.dataobj), where[0][across], axis=across)
    values = np.asarray(original.dataobj)[inside]
    assert where[0][across] == 7 and values.min() >= np.sort(same_slice, axis=None)[-mask.sum()]


def test_nothing_of_the_header_is_kept_but_the_geometry():
    volume = nibabel.Nifti1Image(np.zeros((20, 20, 20), np.int16), np.diag([2, 2, 2, 1]))
    volume.header["descrip"], volume.header["db_name"] = b"Doe^Jane 1970", b"MRN-4711"
    volume.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    source = load_image(volume.to_bytes()).source
    kept = source.geometry.binaryblock + gzip.decompress(source.mask_file(np.zeros((20, 20), bool), "notice"))
    assert b"Doe" not in kept and b"MRN" not in kept and not list(source.geometry.extensions)


def test_a_volume_that_cannot_be_shown_says_so():
    assert "shape (20,)" in refusal(nibabel.Nifti1Image(np.zeros(20, np.float32), np.eye(4)).to_bytes())
    assert "8 x 8" in refusal(nibabel.Nifti1Image(np.zeros((8, 8, 8), np.float32), np.eye(4)).to_bytes())
    assert "real numbers" in refusal(
        nibabel.Nifti1Image(np.zeros((20, 20, 20), np.complex64), np.eye(4)).to_bytes()
    )


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_single_image_is_shown_and_its_mask_has_its_shape(kind):
    volume = kind(np.arange(20 * 30, dtype=np.int16).reshape(20, 30), np.diag([2, 3, 1, 1]))
    loaded = load_image(volume.to_bytes())
    assert (loaded.image.size, loaded.spacing_mm, loaded.options.axes) == ((20, 30), (2, 3), ("axial",))
    shown = np.asarray(loaded.image)[..., 0].astype(int)
    assert (
        shown[0, 0] > shown[0, -1] and shown[0, 0] > shown[-1, 0]
    )  # the largest values lie right and in front
    mask = np.zeros((30, 20), bool)
    mask[0, 0] = True
    written = kind.from_bytes(gzip.decompress(loaded.source.mask_file(mask, "notice")))
    assert written.shape == (20, 30) and np.argwhere(np.asarray(written.dataobj)).tolist() == [[19, 29]]
    assert np.array_equal(written.affine, volume.affine)


@pytest.mark.parametrize("letters", ["RGB", "RGBA"])
def test_colours_are_shown_as_they_are(letters):
    values = np.zeros((20, 24, 18), [(letter, "u1") for letter in letters])
    values["R"], values["B"] = 200, np.arange(20)[:, None, None]
    loaded = load_image(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())
    shown = np.asarray(loaded.image)
    assert (shown[..., 0] == 200).all() and not shown[..., 1].any()
    assert shown[0, :, 2].tolist() == list(range(19, -1, -1))
    assert loaded.options.windows == () and "in colour" in refusal(
        nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), window="40/400"
    )


def test_hounsfield_units_open_in_a_window_for_ct_in_every_slice():
    values = np.full((40, 40, 20), -2048, np.int16)
    values[5:35, 5:35] = -1000
    values[10:30, 10:30] = 40
    values[18:22, 18:22] = 65
    values[:, :, 15:] = 40  # these slices hold no air
    for number in (1, 10, 18):
        loaded = load_image(nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), slice=number)
        assert loaded.view.window == "CT soft tissue"
    middle = pixels(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())[..., 0].astype(int)
    assert middle[20, 20] - middle[12, 12] == 16
    assert load_image(nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), window="auto").view.window == "auto"


def test_a_background_of_the_least_value_leaves_the_body_its_shades():
    values = np.full((40, 40, 20), -32768, np.int16)
    values[10:30, 10:30] = 300 + np.arange(400).reshape(20, 20, 1)
    shown = pixels(nibabel.Nifti1Image(values, np.eye(4)).to_bytes())[..., 0]
    assert np.ptp(shown[10:30, 10:30]) > 200 and not shown[:9].any()

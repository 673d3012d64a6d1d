"""What of a NIfTI header can be used is used; what is damaged or absurd costs only itself.

python -m pytest tests/imaging/test_nifti_header.py
"""

import nibabel
import numpy as np
import pytest

from medreasoner.imaging.read import load_image
from tests.medical import nifti, pixels, refusal


def changed(data: bytes, **fields: object) -> bytes:
    """A NIfTI-1 file with other values in its header."""
    header = nibabel.Nifti1Header(data[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    return header.binaryblock + data[348:]


@pytest.mark.parametrize(
    "fields",
    [
        {"vox_offset": 0},
        {"bitpix": 3},
        {"xyzt_units": 7},
        {"qform_code": 99},
        {"sizeof_hdr": 0, "magic": b"n+1\0"},
        {
            "cal_max": np.nan,
            "slice_code": 200,
            "intent_code": -5,
            "slice_duration": np.inf,
            "toffset": np.nan,
        },
        {"scl_slope": np.inf},
        {"descrip": b"\xff" * 80},
    ],
    ids=str,
)
def test_a_number_that_has_nothing_to_do_with_the_voxels_costs_only_itself(fields):
    assert np.array_equal(pixels(changed(nifti(), **fields)), pixels(nifti()))


def test_a_scaling_that_cannot_be_used_shows_the_stored_values_and_says_so():
    loaded = load_image(changed(nifti(), scl_slope=2, scl_inter=np.inf))
    assert (
        np.array_equal(np.asarray(loaded.image), pixels(nifti())) and "scaling of values" in loaded.notes[1]
    )


def test_scaled_values_are_windowed_in_their_own_unit():
    data = changed(nifti(), scl_slope=2, scl_inter=-100)
    assert np.array_equal(pixels(data, window="1100/2000"), pixels(nifti(), window="600/1000"))


@pytest.mark.parametrize("size", [1e-300, 1e231])
def test_absurd_sizes_of_voxels_count_as_none(size):
    volume = nibabel.Nifti2Image(np.arange(20 * 24 * 18, dtype=np.int16).reshape(20, 24, 18), None)
    volume.header["pixdim"][1:4] = size
    data = volume.to_bytes()
    assert load_image(data).spacing_mm is None


def test_no_header_claims_more_moments_than_the_file_holds():
    whole = nibabel.Nifti1Image(np.zeros((20, 24, 18, 3), np.int16), np.eye(4)).to_bytes()
    claiming = whole[:48] + np.int16(32_767).tobytes() + whole[50:]
    assert nibabel.Nifti1Header(claiming[:348]).get_data_shape()[3] == 32_767
    assert load_image(claiming).options.frames == 3


def test_voxels_that_are_no_numbers_are_refused_with_their_type():
    whole = nibabel.Nifti1Image(np.zeros((20, 24, 18), np.int16), np.eye(4)).to_bytes()
    void = whole[:70] + np.array([0, 0], np.int16).tobytes() + whole[74:]
    assert "not numbers" in refusal(void) or "cannot be decoded" in refusal(void)

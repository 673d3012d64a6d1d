"""NumPy arrays as images.

python -m pytest tests/imaging/test_array.py
"""

import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging import load_image
from tests.medical import GRAY, RGB, encoded, pixels, refusal


def test_an_opaque_alpha_channel_changes_nothing():
    loaded = load_image(np.dstack([RGB, np.full((40, 50), 255, np.uint8)]))
    assert np.array_equal(np.asarray(loaded.image), RGB)
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((GRAY * np.uint16(300)), "16-bit"),
        ((GRAY * np.uint16(3)), "16-bit"),
        ((GRAY.astype(np.int32) * 70_000 - 5_000_000), "32-bit"),
        (GRAY.astype(np.float32) / 255, "Floating-point"),
        (GRAY.astype(np.float32) * 1e6 - 1e7, "Floating-point"),
    ],
)
def test_deep_values_are_windowed_and_not_saturated(values, words):
    for source in (values, encoded(Image.fromarray(values), "TIFF")):
        loaded = load_image(source)
        shown = np.asarray(loaded.image)[..., 0]
        assert (shown == 0).mean() < 0.03 and (shown == 255).mean() < 0.03
        assert np.all(np.diff(shown[0].astype(int)) >= 0) and len(np.unique(shown)) > 150
        assert loaded.notes == (f"{words} values were scaled to 8 bits from their 0.5 to 99.5 percentile.",)


def test_nan_and_infinity_among_floats_do_not_matter():
    values = GRAY.astype(float)
    clean = pixels(values)
    values[0, :3] = np.nan, np.inf, -np.inf
    assert np.abs(pixels(values).astype(int) - clean)[1:].max() <= 2
    assert list(pixels(values)[0, :3, 0]) == [0, 255, 0]


@pytest.mark.parametrize("array", [RGB[:, :, :1], GRAY > 90, RGB.astype(np.uint16) * 257, RGB / 255.0])
def test_arrays_of_other_shapes_and_types_are_read(array):
    assert load_image(array).image.size == (50, 40)


@pytest.mark.parametrize(
    "array",
    [
        RGB.transpose(2, 0, 1),
        np.zeros((2, 40, 50, 3)),
        np.zeros(40),
        np.zeros((40, 50, 4)),
        np.zeros((40, 50), complex),
    ],
)
def test_an_array_that_is_no_image_is_refused(array):
    assert str(array.dtype) in refusal(array)


def test_an_array_of_nothing_finite_is_refused():
    assert "finite" in refusal(np.full((40, 50), np.nan))


def test_the_smallest_image_is_read():
    assert load_image(np.zeros((16, 16), np.uint8)).image.size == (16, 16)


@pytest.mark.parametrize(
    "colours",
    [
        RGB.astype(np.uint16) << 8,
        RGB / 255,
        RGB.astype(float),
        RGB.astype(np.uint32) << 24,
        RGB.astype(np.uint16),
    ],
)
def test_deep_colours_are_not_stretched(colours):
    assert np.array_equal(pixels(colours), RGB)


def test_resampled_colours_a_little_above_1_are_still_shares():
    colours = RGB / 255
    colours[0, 0] = 1.02
    assert np.array_equal(pixels(colours)[1:], RGB[1:])

"""What the automatic window counts, and which values are Hounsfield units.

python -m pytest tests/imaging/test_auto_window.py
"""

import numpy as np
import pytest

from medreasoner.imaging.auto_window import is_hounsfield, percentile_limits, without_fill
from tests.medical import GRAY, pixels

RANDOM = np.random.default_rng(0)


def test_a_few_wild_values_do_not_darken_the_rest():
    values = (GRAY * np.uint16(4)).copy()
    values[0, 0] = 65535
    assert np.median(pixels(values)) > 100


def test_values_that_are_nearly_all_equal_still_show_the_others():
    values = np.zeros((40, 50), np.uint16)
    values[10, 10] = 7
    shown = pixels(values)
    assert shown[10, 10, 0] == 255 and shown.sum() == 3 * 255


def test_a_constant_image_is_black_and_no_error():
    assert pixels(np.full((40, 50), 1234, np.uint16)).max() == 0


BODY = RANDOM.normal(500, 80, 5000).astype(np.int16)


@pytest.mark.parametrize("fill", [-32768, 32767, -5000])
@pytest.mark.parametrize("share", [0.02, 0.4, 0.9])
def test_a_constant_far_from_all_other_values_is_a_fill(fill, share):
    count = int(share / (1 - share) * BODY.size)
    values = np.r_[np.full(count, fill, np.int16), BODY]
    assert np.array_equal(np.sort(without_fill(values)), np.sort(BODY))
    assert percentile_limits(values) == percentile_limits(BODY)


def test_fills_at_both_ends_are_left_out():
    values = np.r_[np.full(900, -32768), BODY, np.full(900, 32767)].astype(np.int16)
    assert percentile_limits(values) == percentile_limits(BODY)


@pytest.mark.parametrize(
    "values",
    [
        np.r_[np.zeros(3000), np.abs(BODY)],  # the dark background of an MR image, near its darkest tissue
        np.r_[np.zeros(3000), np.full(2000, 200)],  # a mask
        np.r_[np.full(9, -32768), BODY],  # wild values: beyond the percentiles anyway
        np.r_[np.clip(BODY, 400, 600)],  # saturated
    ],
    ids=["MR", "mask", "wild", "saturated"],
)
def test_ordinary_images_have_no_fill(values):
    assert without_fill(values).size == values.size


def test_equal_values_of_different_types_have_the_same_limits():
    limits = {percentile_limits(BODY.astype(kind)) for kind in (np.int16, np.int32, np.float32, np.float64)}
    assert len(limits) == 1


def test_padding_and_what_is_not_finite_do_not_count():
    values = BODY.astype(float)
    values[:1000] = 9999
    assert percentile_limits(values, values == 9999) == percentile_limits(BODY[1000:])
    values[1000:1010] = np.nan, *[np.inf] * 9
    assert percentile_limits(values, values == 9999) == percentile_limits(BODY[1010:])
    assert percentile_limits(BODY, np.ones(BODY.shape, bool)) == percentile_limits(BODY), (
        "all of it is no padding"
    )


def scan(*parts: tuple[float, float, int]) -> np.ndarray:
    """Values of normal distributions: (mean, deviation, count)."""
    return np.rint(np.concatenate([RANDOM.normal(*part) for part in parts])).astype(np.int16)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (scan((-1000, 20, 3000), (40, 20, 3000), (700, 200, 300)), True),
        (scan((-1000, 20, 3000), (-800, 90, 3000), (40, 20, 900)), True),  # lungs
        (
            np.r_[np.full(4000, -2048), scan((-1000, 20, 3000), (40, 20, 3000))],
            True,
        ),  # outside the scanner's circle
        (np.r_[np.full(4000, -32768), scan((-1000, 20, 3000), (40, 20, 3000))], True),
        (scan((400, 200, 9000)), False),  # MR
        (np.r_[np.full(4000, -32768), scan((500, 80, 3000))], False),  # MR with a fill
        (RANDOM.integers(-4096, 4096, 9000), False),  # phase
        (scan((0, 400, 9000)), False),  # field map
        (scan((-1000, 20, 9000)), False),  # nothing but air
    ],
    ids=["head", "chest", "circle", "fill", "MR", "MR fill", "phase", "field", "air"],
)
def test_hounsfield_units_are_known_by_their_air_and_tissue(values, expected):
    assert is_hounsfield(values) is expected and is_hounsfield(values.astype(np.float32)) is expected


def test_unsigned_values_are_no_hounsfield_units():
    assert not is_hounsfield(scan((1000, 20, 9000)).astype(np.uint16))

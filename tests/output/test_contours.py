"""Contours enclose exactly the mask, and close.

python -m pytest tests/output/test_contours.py
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medreasoner.output.contours import contours, svg_path


def filled(path: str, height: int, width: int) -> np.ndarray:
    """The pixels an even-odd fill of `path` covers: those with an odd number of vertical edges to their left."""
    crossings = np.zeros((height, width + 1), dtype=int)
    x = y = 0
    for command, numbers in re.findall(r"([Mhvz])([^Mhvz]*)", path):
        values = [int(number) for number in numbers.split()]
        if command == "M":
            x, y = start = values
        elif command == "h":
            x += values[0]
        else:
            to = start[1] if command == "z" else y + values[0]
            crossings[min(y, to) : max(y, to), x] += 1
            y = to
    return np.cumsum(crossings, axis=1)[:, :width] % 2 == 1


@settings(deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_the_path_filled_even_odd_is_exactly_the_mask(mask):
    assert np.array_equal(filled(svg_path(mask), *mask.shape), mask)


def test_the_path_of_a_rectangle_is_four_corners():
    mask = np.zeros((10, 10), dtype=bool)
    mask[2:6, 3:9] = True
    assert svg_path(mask) == "M3 2h6v4h-6z"


def test_an_empty_mask_has_no_contour():
    assert (contours(np.zeros((5, 5), bool)), svg_path(np.zeros((5, 5), bool))) == ([], "")


def area(contour: np.ndarray) -> float:
    """Signed, positive where the inside is on the right."""
    x, y = contour.T
    return float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum() / 2)


def test_a_hole_and_a_second_region_have_contours_of_their_own():
    mask = np.zeros((500, 600), bool)
    mask[150:350, 200:450] = True
    mask[200:300, 250:400] = False
    mask[400:410, 20:30] = True
    assert sorted(area(contour) for contour in contours(mask)) == [-100 * 150, 10 * 10, 200 * 250]


@pytest.mark.parametrize(
    "mask", [np.eye(9, dtype=bool), np.ones((1, 1), bool), np.indices((9, 9)).sum(axis=0) % 2 == 0]
)
def test_contours_of_pixels_that_touch_at_corners_close_and_use_each_edge_once(mask):
    closed = contours(mask)
    assert all(np.array_equal(contour[0], contour[-1]) for contour in closed)
    assert all((np.abs(np.diff(contour, axis=0)).sum(axis=1) == 1).all() for contour in closed)
    edges = sum(np.count_nonzero(np.diff(np.pad(mask, 1).astype(int), axis=axis)) for axis in (0, 1))
    assert sum(len(contour) - 1 for contour in closed) == edges

"""Boxes, discs and pairs of points for the tests of the metrics."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

MANY = settings(deadline=None, max_examples=100, database=None, derandomize=True)

whole = st.integers(0, 12)
boxes = st.tuples(whole, whole, st.integers(1, 8), st.integers(1, 8)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
places = st.tuples(st.floats(0, 100), st.floats(0, 100))
pairs = st.tuples(places, places)


def painted(box: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros((24, 24), bool)
    x1, y1, x2, y2 = box
    mask[y1:y2, x1:x2] = True
    return mask


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:64, :80]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2

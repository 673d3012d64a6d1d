"""Letters at the edges of a picture, and none where there is no plane.

python -m pytest tests/imaging/test_orientation.py
"""

import numpy as np
import pytest

from medreasoner.imaging.orientation import edge_letters


@pytest.mark.parametrize(
    ("right", "down", "letters"),
    [
        ((1, 0, 0), (0, 1, 0), ("R", "L", "A", "P")),  # axial
        ((1, 0, 0), (0, 0, -1), ("R", "L", "H", "F")),  # coronal
        ((0, 1, 0), (0, 0, -1), ("A", "P", "H", "F")),  # sagittal
        ((-1, 0, 0), (0, 1, 0), ("L", "R", "A", "P")),  # seen from above
        ((0.9, 0.436, 0), (-0.436, 0.9, 0), ("RA", "LP", "AL", "PR")),  # turned by 26 degrees
        ((0.995, 0.1, 0), (-0.1, 0.995, 0), ("R", "L", "A", "P")),  # by 6: not worth a word
        ((0.577, 0.577, -0.577), (0.707, -0.707, 0), ("RAH", "LPF", "RP", "LA")),
        ((7, 0, 0), (0, 0.2, 0), ("R", "L", "A", "P")),  # lengths do not matter
    ],
)
def test_letters_name_where_each_edge_lies(right, down, letters):
    assert edge_letters(right, down) == letters


@pytest.mark.parametrize(
    ("right", "down"),
    [
        ((0, 0, 0), (0, 1, 0)),
        ((1, 0, 0), (1, 0, 0)),
        ((1, 0, 0), (0.1, 1, 0)),
        ((np.nan, 0, 0), (0, 1, 0)),
        ((1, 0), (0, 1)),
    ],
)
def test_what_is_no_plane_gets_no_letters(right, down):
    assert edge_letters(right, down) is None

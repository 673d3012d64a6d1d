"""Planes through a mask, and its surface from all around.

python -m pytest tests/output/test_projections.py
"""

import numpy as np
import pytest

from medreasoner.output.projections import LONGEST, SIDE, TURNS, planes, surface_views

GREY = np.zeros((10, 40, 60), np.uint8)
GREY[6] = 200
MASK = np.zeros(GREY.shape, bool)
MASK[5:9, 10:20, 30:50] = True


def test_the_three_planes_cut_the_middle_of_the_mask_in_true_proportions():
    across, rows, columns = planes(GREY, MASK, (5.0, 1.0, 1.0))
    assert (across.at, rows.at, columns.at) == (6, 14, 39)
    assert across.image.shape == (100, LONGEST) and across.image.min() == 200
    assert rows.image.shape == (125, LONGEST) and columns.image.shape == (LONGEST, 120)
    assert rows.mask.any(1).mean() == pytest.approx(4 / 10, abs=0.02)
    assert rows.mask.any(0).mean() == pytest.approx(20 / 60, abs=0.02)


def test_an_empty_mask_is_cut_in_the_middle_of_the_volume_and_has_no_surface():
    empty = np.zeros_like(MASK)
    assert [plane.at for plane in planes(GREY, empty, (1, 1, 1))] == [5, 20, 30]
    assert not surface_views(empty, (1, 1, 1)).any()


def test_a_surface_is_seen_from_all_around_the_first_slice_at_the_bottom():
    views = surface_views(MASK, (5.0, 1.0, 1.0))
    assert views.shape == (TURNS, SIDE, SIDE) and views.min() == 0 and 0.25 <= views.max() <= 1
    wide = [(view > 0).any(0).sum() for view in views]
    assert wide[0] > 1.5 * wide[TURNS // 4], "from the side its short edge is seen"
    cone = np.zeros((20, 40, 40), bool)
    for number in range(20):
        half = 20 - number
        cone[number, 20 - half : 20 + half, 20 - half : 20 + half] = True
    shape = surface_views(cone, (2, 1, 1))[0] > 0
    filled = np.flatnonzero(shape.any(1))
    low, high = shape[filled[-8]].sum(), shape[filled[8]].sum()
    assert low > high, "it is wide where the first slices are, at the bottom"

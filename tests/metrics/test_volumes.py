"""The share of surfaces that agree, in millimetres.

python -m pytest tests/metrics/test_volumes.py
"""

import numpy as np
import pytest

from medreasoner.metrics.volumes import surface_dice

CUBE = np.zeros((12, 20, 20), bool)
CUBE[3:9, 5:15, 5:15] = True
EMPTY = np.zeros_like(CUBE)


def test_a_mask_agrees_with_itself_and_not_with_nothing():
    assert surface_dice(CUBE, CUBE, (5, 1, 1), 0) == 1
    assert surface_dice(EMPTY, EMPTY, (5, 1, 1), 0) == 1
    assert surface_dice(CUBE, EMPTY, (5, 1, 1), 3) == surface_dice(EMPTY, CUBE, (5, 1, 1), 3) == 0


@pytest.mark.parametrize(("axis", "away"), [(0, 5), (1, 1), (2, 2)])
def test_a_shift_counts_in_millimetres(axis, away):
    shifted = np.roll(CUBE, 1, axis)
    spacing = (5, 1, 2)
    assert surface_dice(CUBE, shifted, spacing, away) == 1
    assert surface_dice(CUBE, shifted, spacing, away - 0.1) < 1


def test_the_share_is_that_of_the_voxels_of_both_surfaces():
    grown = CUBE.copy()
    grown[9, 5:15, 5:15] = True  # one slice more
    surfaces = [np.count_nonzero(one & ~eroded(one)) for one in (CUBE, grown)]
    # the added slice is 5 mm off; of the one below only what lies more than 1 mm from its rim
    off = 10 * 10 + 6 * 6
    assert surface_dice(CUBE, grown, (5, 1, 1), 1) == pytest.approx(1 - off / sum(surfaces))


def eroded(mask: np.ndarray) -> np.ndarray:
    inner = mask.copy()
    for axis in range(3):
        inner &= np.roll(mask, 1, axis) & np.roll(mask, -1, axis)
    return inner


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="same shape"):
        surface_dice(CUBE, CUBE[1:], (1, 1, 1), 1)

"""Which part of a mask stands out, and when two parts are a pair."""

import numpy as np

from medreasoner.data.build.connected_parts import OF_A_PAIR, SINGLE, largest, pair


def squares(*sides: int) -> np.ndarray:
    """A mask of squares from left to right, apart from each other."""
    mask = np.zeros((max(sides) + 2, sum(sides) + 2 * len(sides)), bool)
    at = 1
    for side in sides:
        mask[1 : 1 + side, at : at + side] = True
        at += side + 2
    return mask


def test_one_region_must_stand_out():
    mask = squares(10, 12)
    assert 12**2 < SINGLE * 10**2 and largest(mask) == "several regions of like size"
    found = largest(squares(10, 13))
    assert found.sum() == 13**2 and not found[:, :11].any()
    assert largest(squares(10)).sum() == 100


def test_parts_that_touch_at_a_corner_are_one():
    mask = np.zeros((6, 6), bool)
    mask[:3, :3] = mask[3:, 3:] = True
    assert largest(mask).sum() == 18


def test_a_pair_is_two_parts_of_like_size_and_nothing_else_that_matters():
    left, right = pair(squares(8, 10))
    assert (left.sum(), right.sum()) == (64, 100) and not (left & right).any()
    left, right = pair(squares(10, 1, 8))
    assert (left.sum(), right.sum()) == (100, 64), "a speck between them does not matter"
    for sides in ((10,), (10, 4), (10, 9, 8)):
        assert pair(squares(*sides)) == "not two separate organs", sides
    assert 4**2 < OF_A_PAIR * 10**2

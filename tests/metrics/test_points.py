"""Points count by the pixel they fall on, pairs of points by their circles."""

import math

import numpy as np
import pytest
from hypothesis import given, settings

from medreasoner.metrics import dice, paper_pdice, point_dice, points_in_mask
from tests.metrics.shapes import MANY, painted, pairs


def test_points_count_by_the_pixel_they_fall_on():
    mask = painted((3, 5, 4, 6))
    assert points_in_mask([(3.0, 5.0), (3.99, 5.99)], mask) == 1
    assert points_in_mask([(3.5, 5.5), (4.0, 5.5)], mask) == 0.5


def test_points_outside_the_image_are_outside_the_mask():
    assert points_in_mask([(-0.5, 2), (24, 2), (2, 24), (2, -1e6)], np.ones((24, 24), bool)) == 0


def raster_dice(points, truth) -> float:
    """Dice of the two circles, by counting fine cells."""
    cells = np.linspace(-100, 200, 1501)
    x, y = np.meshgrid(cells, cells)

    def circle(pair):
        (ax, ay), (bx, by) = pair
        return (x - (ax + bx) / 2) ** 2 + (y - (ay + by) / 2) ** 2 <= math.dist(*pair) ** 2 / 4

    return dice(circle(points), circle(truth))


@settings(MANY, max_examples=25)
@given(pairs, pairs)
def test_point_dice_is_the_dice_of_the_circles(points, truth):
    if min(math.dist(*points), math.dist(*truth)) > 10:
        assert point_dice(points, truth) == pytest.approx(raster_dice(points, truth), abs=0.02)


def test_point_dice_of_equal_far_and_nested_circles():
    pair = ((0, 0), (10, 0))
    assert point_dice(pair, pair) == 1
    assert point_dice(pair, pair[::-1]) == 1
    assert point_dice(pair, ((100, 0), (110, 0))) == 0
    assert point_dice(pair, ((2.5, 0), (7.5, 0))) == pytest.approx(2 * 0.25 / 1.25)
    assert point_dice(((1, 1), (1, 1)), ((1, 1), (1, 1))) == 1
    assert point_dice(((1, 1), (1, 1)), ((2, 1), (2, 1))) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_coordinate_that_is_no_number_is_an_error_and_not_a_missing_value(bad):
    pair = ((0, 0), (bad, 1))
    for score in (point_dice, paper_pdice):
        with pytest.raises(ValueError, match="finite"):
            score(pair, ((0, 0), (1, 1)))
    with pytest.raises(ValueError, match="finite"):
        points_in_mask(pair, np.ones((4, 4), bool))


def test_no_points_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        points_in_mask([], np.ones((4, 4), bool))

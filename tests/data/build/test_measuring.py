"""What is measured is true of the mask and the picture: size, shape, brightness, margin, the other side and
the neighbours.
"""

import numpy as np
import pytest

from medreasoner.data.build.measuring import against_other_side, measure, neighbours_of
from medreasoner.geometry import mask_to_box
from tests.data.build.test_builder import disc

WH = (200, 150)


def rectangle(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    mask = np.zeros(WH[::-1], bool)
    mask[y1:y2, x1:x2] = True
    return mask


def measured(mask: np.ndarray, others=()):
    return measure(np.zeros(mask.shape, np.float32), mask, mask_to_box(mask), others)


@pytest.mark.parametrize(
    "inside,outside,said",
    [(200, 50, "brighter than"), (50, 200, "darker than"), (100, 100, "about as bright as")],
)
def test_brightness_is_measured_against_the_surroundings(inside, outside, said):
    mask = disc(WH, (60, 60), 20)
    grey = np.where(mask, inside, outside).astype(np.float32)
    assert measure(grey, mask, mask_to_box(mask)).brightness == said


def test_only_what_is_near_counts_as_surroundings():
    mask, near = disc(WH, (60, 60), 10), disc(WH, (60, 60), 30)
    grey = np.where(mask, 100, np.where(near, 40, 250)).astype(np.float32)
    assert measure(grey, mask, mask_to_box(mask)).brightness == "brighter than"


def test_a_target_that_fills_the_picture_is_as_bright_as_itself():
    assert measured(np.ones((40, 50), bool)).brightness == "about as bright as"


@pytest.mark.parametrize(
    "box,shape",
    [
        ((20, 20, 80, 60), "wider than tall"),
        ((20, 20, 60, 80), "taller than wide"),
        ((20, 20, 70, 60), "about as wide as tall"),
    ],
)
def test_shape_is_the_ratio_of_the_sides(box, shape):
    found = measured(rectangle(*box))
    assert found.shape == shape and (found.side, found.size) == ("left", "mid-sized")


@pytest.mark.parametrize(
    "mask,margin",
    [
        (disc(WH, (60, 60), 20), "even"),
        (rectangle(20, 20, 60, 40), "even"),
        (rectangle(20, 20, 100, 30) | rectangle(20, 20, 30, 90), "uneven"),
        (disc(WH, (60, 60), 20) & ~disc(WH, (75, 60), 14), "uneven"),
    ],
)
def test_a_margin_is_even_where_the_hull_is_filled(mask, margin):
    assert measured(mask).margin == margin


def test_the_other_side_is_compared_where_there_is_one():
    head = np.where(disc(WH, (100, 75), 70), 120, 0).astype(np.float32)
    spot, middle = disc(WH, (60, 75), 15), disc(WH, (100, 75), 15)
    assert against_other_side(np.where(spot, 200, head).astype(np.float32), spot) == "brighter than"
    assert against_other_side(np.where(spot, 60, head).astype(np.float32), spot) == "darker than"
    assert against_other_side(head, spot) == "about as bright as"
    assert against_other_side(head, middle) is None  # it has no other side
    lopsided = np.tile(np.linspace(0, 255, 200, dtype=np.float32), (150, 1))
    assert against_other_side(lopsided, spot) is None


@pytest.mark.parametrize(
    "centre,relation",
    [
        ((60, 75), "to the left of"),
        ((140, 75), "to the right of"),
        ((100, 35), "above"),
        ((100, 115), "below"),
        ((72, 47), "above and to the left of"),
        ((128, 103), "below and to the right of"),
    ],
)
def test_a_neighbour_is_told_by_where_the_target_lies_from_it(centre, relation):
    other = disc(WH, (100, 75), 20)
    assert neighbours_of(disc(WH, centre, 17), [("the liver", other)]) == ((relation, "the liver"),)


def test_one_inside_the_other_is_told_from_both():
    small, large = disc(WH, (100, 75), 10), disc(WH, (105, 75), 40)
    assert neighbours_of(small, [("the disc", large)]) == (("inside", "the disc"),)
    assert neighbours_of(large, [("the cup", small)]) == (("around", "the cup"),)


def test_what_is_far_or_half_covered_is_no_neighbour():
    mask = disc(WH, (40, 40), 15)
    assert neighbours_of(mask, [("far", disc(WH, (160, 110), 15)), ("over it", disc(WH, (55, 40), 15))]) == ()


def test_the_two_nearest_are_named_the_nearest_first():
    mask = disc(WH, (100, 75), 15)
    others = [
        ("third", rectangle(86, 100, 114, 110)),
        ("second", rectangle(122, 60, 140, 90)),
        ("first", rectangle(60, 60, 84, 90)),
    ]
    found = neighbours_of(mask, others)
    assert found == (("to the right of", "first"), ("to the left of", "second"))
    assert measured(mask, others).neighbours == found

"""The one road between a model's numbers and image pixels: nothing is lost on it, and what is broken is
mended in words.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from medreasoner.geometry import (
    EMBEDDED,
    INPUT_PIXELS,
    THOUSAND,
    THOUSAND_YX,
    Frame,
    Grounding,
    GroundingError,
    from_image,
    mask_to_box,
    mask_to_points,
    repair,
    to_image,
)
from medreasoner.metrics import box_iou, points_in_mask

FRAMES = (INPUT_PIXELS, THOUSAND, THOUSAND_YX, EMBEDDED)
MANY = settings(deadline=None, max_examples=100, database=None, derandomize=True)

sides = st.integers(1, 4000)
shares = st.floats(0, 1)


@st.composite
def groundings_in_images(draw) -> tuple[Grounding, tuple[int, int]]:
    width, height = draw(sides), draw(sides)
    x1, y1 = draw(shares) * 0.9 * width, draw(shares) * 0.9 * height
    x2 = x1 + (0.01 + 0.99 * draw(shares)) * (width - x1)
    y2 = y1 + (0.01 + 0.99 * draw(shares)) * (height - y1)
    points = tuple((draw(shares) * width, draw(shares) * height) for _ in range(2))
    return Grounding((x1, y1, x2, y2), points), (width, height)


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)
@MANY
@given(groundings_in_images(), st.tuples(sides, sides))
def test_a_perfect_answer_has_iou_1_in_every_frame_at_any_aspect_ratio(frame, given_one, input_wh):
    grounding, image_wh = given_one
    back = to_image(*from_image(grounding, frame, image_wh, input_wh), frame, image_wh, input_wh)
    assert box_iou(back.box, grounding.box) == pytest.approx(1, abs=1e-6)
    assert np.allclose(back.points, grounding.points, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize(
    ("frame", "bbox", "point"),
    [
        (INPUT_PIXELS, (28, 0, 280, 140), (140, 70)),
        (THOUSAND, (100, 0, 1000, 500), (500, 250)),
        (THOUSAND_YX, (0, 100, 500, 1000), (250, 500)),
        (EMBEDDED, (25.5, 0, 255, 127.5), (127.5, 63.75)),
    ],
    ids=lambda value: value.name if isinstance(value, Frame) else None,
)
def test_each_frame_means_what_its_family_writes(frame, bbox, point):
    grounding = to_image(bbox, (point, point), frame, image_wh=(600, 200), input_wh=(280, 280))
    assert grounding.box == pytest.approx((60, 0, 600, 100))
    assert grounding.points[1] == pytest.approx((300, 50))


def test_a_frame_of_input_pixels_asks_for_the_input_size():
    with pytest.raises(ValueError, match="input_wh"):
        to_image((0, 0, 1, 1), ((0, 0), (1, 1)), INPUT_PIXELS, (10, 10))


def test_a_frame_with_unknown_axes_or_limit_is_refused():
    with pytest.raises(ValueError, match="axes"):
        Frame("odd", 1000, "zx")
    with pytest.raises(ValueError, match="limit"):
        Frame("odd", 0)


POINTS = ((2.0, 3.0), (4.0, 5.0))


def test_a_good_grounding_is_left_alone():
    grounding = Grounding((1.0, 2.0, 8.0, 9.0), POINTS)
    assert repair(grounding, (10, 10)) == (grounding, ())


def test_swapped_corners_are_ordered_and_said():
    mended, notes = repair(Grounding((8, 2, 1, 9), POINTS), (10, 10))
    assert mended.box == (1, 2, 8, 9)
    assert len(notes) == 1 and "swapped" in notes[0]


def test_what_lies_outside_is_cut_at_the_edge_and_said():
    mended, notes = repair(Grounding((-5, -5, 50, 8), ((-3.0, 2.0), (12.0, 99.0))), (10, 10))
    assert mended.box == (0, 0, 10, 8)
    assert mended.points == ((0, 2), (10, 10))
    assert len(notes) == 1 and "outside" in notes[0]


@pytest.mark.parametrize("place", range(8))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_refused_wherever_it_stands(place, bad):
    numbers = [1.0, 2.0, 8.0, 9.0, 2.0, 3.0, 4.0, 5.0]
    numbers[place] = bad
    grounding = Grounding(tuple(numbers[:4]), (tuple(numbers[4:6]), tuple(numbers[6:])))
    with pytest.raises(GroundingError, match="not a finite number"):
        repair(grounding, (10, 10))


@pytest.mark.parametrize(
    "box", [(3, 3, 3, 8), (3, 3, 8, 3), (0, 0, 0, 0), (20, 20, 30, 30), (-9, 2, -1, 4), (2, 10, 8, 12)]
)
def test_a_box_that_holds_no_part_of_the_image_is_refused(box):
    with pytest.raises(GroundingError, match="holds no part of the 10 x 10 image"):
        repair(Grounding(box, POINTS), (10, 10))


@MANY
@given(st.lists(st.floats(-1e6, 1e6), min_size=8, max_size=8), st.tuples(sides, sides))
def test_a_mended_grounding_lies_inside_and_needs_no_second_mending(numbers, image_wh):
    grounding = Grounding(tuple(numbers[:4]), (tuple(numbers[4:6]), tuple(numbers[6:])))
    try:
        mended, _ = repair(grounding, image_wh)
    except GroundingError:
        return
    x1, y1, x2, y2 = mended.box
    assert 0 <= x1 < x2 <= image_wh[0] and 0 <= y1 < y2 <= image_wh[1]
    assert all(0 <= x <= image_wh[0] and 0 <= y <= image_wh[1] for x, y in mended.points)
    assert repair(mended, image_wh) == (mended, ())


@st.composite
def masks(draw) -> np.ndarray:
    """Random speckle, from a single pixel to all of them."""
    height, width = draw(st.integers(1, 24)), draw(st.integers(1, 24))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = random.random((height, width)) < draw(st.sampled_from([0.02, 0.3, 0.7, 1.0]))
    mask[random.integers(height), random.integers(width)] = True
    return mask


@MANY
@given(masks())
def test_the_box_of_a_mask_is_tight(mask):
    pixels = [(x, y) for y, x in itertools.product(*map(range, mask.shape)) if mask[y, x]]
    xs, ys = zip(*pixels, strict=True)
    assert mask_to_box(mask) == (min(xs), min(ys), max(xs) + 1, max(ys) + 1)


def test_an_empty_mask_has_no_box():
    with pytest.raises(ValueError, match="empty"):
        mask_to_box(np.zeros((4, 4), bool))


def disc(side: int, x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return (columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2 <= radius**2


SHAPES = {
    "disc": disc(64, 32, 32, 20),
    "ring": disc(64, 32, 32, 24) & ~disc(64, 32, 32, 16),
    "crescent": disc(64, 32, 32, 24) & ~disc(64, 42, 32, 22),
    "half outside": disc(64, 0, 60, 20),
    "corner": disc(64, 64, 64, 5),
    "two parts": disc(64, 12, 12, 8) | disc(64, 50, 50, 10),
    "whole image": np.ones((64, 64), bool),
    "line": np.eye(64, dtype=bool),
    "row at the border": np.arange(64)[:, None] * np.ones((1, 64)) == 0,
    "one pixel": disc(64, 10.5, 20.5, 0.1),
}


@pytest.mark.parametrize("mask", SHAPES.values(), ids=SHAPES)
def test_key_points_lie_inside_shapes_that_do_not_hold_their_own_centre(mask):
    points = mask_to_points(mask)
    assert points_in_mask(points, mask) == 1
    assert (points[0] != points[1]) == (mask.sum() > 1)


@MANY
@given(masks())
def test_key_points_are_pixel_centres_inside_any_mask_and_the_first_is_deepest(mask):
    points = mask_to_points(mask)
    assert points_in_mask(points, mask) == 1
    assert all(v % 1 == 0.5 for point in points for v in point)
    assert (points[0] != points[1]) == (mask.sum() > 1)
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    first, second = (depth[int(y), int(x)] for x, y in points)
    assert first == depth.max()
    assert second >= first / 2


def test_one_pixel_has_a_box_of_one_pixel_and_both_points_at_its_centre():
    mask = np.zeros((8, 8), bool)
    mask[5, 3] = True
    assert mask_to_box(mask) == (3, 5, 4, 6)
    assert mask_to_points(mask) == ((3.5, 5.5), (3.5, 5.5))

"""Scores against hand-made and published values, and intervals that know their cases."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreasoner.metrics import (
    boundary,
    box_iou,
    dice,
    giou,
    mask_iou,
    mask_overlap,
    paired,
    paper_box_iou,
    paper_dice,
    paper_pdice,
    point_dice,
    points_in_mask,
    ratio,
    summary,
)

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


# Boxes and masks


@MANY
@given(boxes, boxes)
def test_boxes_score_as_the_pixels_they_hold(a, b):
    assert box_iou(a, b) == mask_iou(painted(a), painted(b)) == box_iou(b, a)
    assert paper_box_iou(a, b) == pytest.approx(box_iou(a, b), abs=1e-6)
    assert box_iou(a, a) == 1
    assert paper_box_iou(a, a) < 1


def test_touching_boxes_do_not_overlap():
    assert box_iou((0, 0, 4, 4), (4, 0, 8, 4)) == 0


@pytest.mark.parametrize("box", [(3, 3, 3, 9), (9, 3, 3, 9), (9, 9, 3, 3)])
def test_a_box_without_area_has_no_overlap_with_anything(box):
    assert box_iou(box, box) == 0
    assert box_iou(box, (0, 0, 9, 9)) == 0
    assert paper_box_iou(box, (0, 0, 9, 9)) == 0


@MANY
@given(boxes, boxes)
def test_giou_is_iou_less_the_empty_share_of_the_hull(a, b):
    hull = painted((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    either = painted(a) | painted(b)
    assert giou(a, b) == pytest.approx(box_iou(a, b) - (hull & ~either).sum() / hull.sum())
    assert -1 < giou(a, b) <= 1


def test_giou_still_falls_where_iou_is_zero():
    near, far = giou((0, 0, 2, 2), (3, 0, 5, 2)), giou((0, 0, 2, 2), (9, 0, 11, 2))
    assert 0 > near > far


def test_dice_and_iou_of_masks_by_hand():
    mask, truth = painted((0, 0, 4, 4)), painted((2, 0, 6, 4))
    assert dice(mask, truth) == 0.5
    assert mask_iou(mask, truth) == 8 / 24
    assert paper_dice(mask, truth) == 16 / (32 + 1e-6)


def test_masks_of_0_and_255_count_as_masks():
    mask = painted((0, 0, 4, 4)).astype(np.uint8) * 255
    assert dice(mask, mask) == mask_iou(mask, mask) == 1


def test_two_empty_masks_agree_except_as_published():
    empty = np.zeros((4, 4), bool)
    assert dice(empty, empty) == mask_iou(empty, empty) == 1
    assert paper_dice(empty, empty) == 0


def test_masks_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\) and \(4, 5\)"):
        dice(np.zeros((4, 4), bool), np.zeros((4, 5), bool))


# Points


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


@MANY
@given(pairs, pairs)
def test_the_published_pdice_is_twice_the_iou_of_the_circles(points, truth):
    published, true = paper_pdice(points, truth), point_dice(points, truth)
    assert 0 <= published < 2
    if min(math.dist(*points), math.dist(*truth)) > 1:
        assert published == pytest.approx(2 * true / (2 - true), abs=1e-4)


# As published: a ground truth and its answers with the rewards the released code gave for them


TRUTH_BOX, TRUTH_POINTS = (445, 136, 708, 729), ((534, 273), (595, 455))


def log_smooth(value: float, valid: float = 1.0) -> float:
    """The published reward's smoothing of a score and its penalty for the mean `valid` of two flags."""
    smooth = 0.9 * math.log(3 * value + 1) / math.log(4) + 0.1
    return round(min(1.0, 0.7 * smooth + 0.3 * smooth * valid), 4)


@pytest.mark.parametrize(
    ("box", "valid", "reward"),
    [
        (TRUTH_BOX, 1, 1.0),
        ((465, 156, 728, 749), 1, 0.8981),
        ((445, 136, 576, 729), 0.5, 0.5894),
        ((132, 136, 395, 729), 0.625, 0.0887),
        ((0, 0, 840, 840), 0.75, 0.398),
    ],
)
def test_box_iou_stands_behind_the_published_rewards(box, valid, reward):
    assert log_smooth(paper_box_iou(box, TRUTH_BOX), valid) == pytest.approx(reward, abs=1e-4)


@pytest.mark.parametrize(
    ("points", "valid", "reward"),
    [
        (TRUTH_POINTS, 1, 1.0),
        (((574, 313), (635, 495)), 1, 0.96),
        (((560, 360), (563, 364)), 0.75, 0.0949),
        (((100, 100), (160, 280)), 0.625, 0.0887),
        (((420, 300), (420, 540)), 0.625, 0.3423),
    ],
)
def test_pdice_stands_behind_the_published_rewards(points, valid, reward):
    assert log_smooth(paper_pdice(points, TRUTH_POINTS), valid) == pytest.approx(reward, abs=1e-4)


def test_the_published_formulas_to_the_last_bit():
    assert paper_box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == 2 / (6 + 1e-6)
    area = math.pi * (math.dist(*TRUTH_POINTS) / 2) ** 2
    assert paper_pdice(TRUTH_POINTS, TRUTH_POINTS) == 2 * area / (area + area - area + 1e-5)
    assert 1.99999 < paper_pdice(TRUTH_POINTS, TRUTH_POINTS) < 2


# Means and intervals

RANDOM = np.random.default_rng(5)
SCORES = RANDOM.normal(0.5, 0.2, 400)
CASES = [f"case {i}" for i in range(400)]


def test_the_interval_of_independent_values_is_the_textbook_one():
    interval = summary(SCORES, CASES)
    margin = 1.96 * SCORES.std() / math.sqrt(400)
    assert interval.mean == SCORES.mean()
    assert interval.low == pytest.approx(SCORES.mean() - margin, abs=0.15 * margin)
    assert interval.high == pytest.approx(SCORES.mean() + margin, abs=0.15 * margin)
    assert (interval.n, interval.clusters) == (400, 400)


def test_slices_of_one_case_do_not_count_as_new_evidence():
    one, ten = summary(SCORES, CASES), summary(np.repeat(SCORES, 10), np.repeat(CASES, 10))
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    assert (ten.n, ten.clusters) == (4000, 400)
    naive = summary(np.repeat(SCORES, 10), range(4000))
    assert naive.high - naive.low < 0.4 * (ten.high - ten.low)


def test_cases_of_different_sizes_weigh_by_their_samples():
    assert summary([1, 1, 1, 0], ["a", "a", "a", "b"]).mean == 0.75


def test_an_interval_is_the_same_every_time_and_in_every_order():
    order = RANDOM.permutation(400)
    first, again = summary(SCORES, CASES), summary(SCORES, CASES)
    shuffled = summary(SCORES[order], [CASES[i] for i in order])
    assert first == again
    assert (shuffled.low, shuffled.high) == pytest.approx((first.low, first.high))
    assert summary(SCORES, CASES, seed=1).low != first.low


def test_a_single_case_gives_a_point():
    interval = summary([0.2, 0.4], ["a", "a"])
    assert interval.low == interval.mean == interval.high == pytest.approx(0.3)


def test_a_paired_difference_sees_what_two_means_would_hide():
    better = SCORES + RANDOM.normal(0.02, 0.01, 400)
    gain = paired(better, SCORES, CASES)
    assert 0 < gain.low < gain.mean < gain.high
    assert summary(better, CASES).low < summary(SCORES, CASES).high
    assert paired(SCORES, SCORES, CASES).high == 0


# What cannot be scored


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_are_errors_and_not_missing_values(bad):
    box, pair = (0, 0, bad, 1), ((0, 0), (bad, 1))
    for score in (box_iou, giou, paper_box_iou):
        with pytest.raises(ValueError, match="finite"):
            score(box, TRUTH_BOX)
    for score in (point_dice, paper_pdice):
        with pytest.raises(ValueError, match="finite"):
            score(pair, TRUTH_POINTS)
    with pytest.raises(ValueError, match="finite"):
        points_in_mask(pair, np.ones((4, 4), bool))
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        summary([0.5, bad], ["a", "b"])
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        paired([0.5, bad], [0.5, 0.5], ["a", "b"])


def test_nothing_and_uneven_lists_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        summary([], [])
    with pytest.raises(ValueError, match="as many values as clusters"):
        summary([1.0], ["a", "b"])
    with pytest.raises(ValueError, match="the same samples"):
        paired([1.0], [1.0, 2.0], ["a"])
    with pytest.raises(ValueError, match="at least one"):
        points_in_mask([], np.ones((4, 4), bool))


# --- boundaries ---


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:64, :80]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


# (HD95, NSD at 1 px, NSD at 2 px) by MONAI 1.6.1: compute_hausdorff_distance(percentile=95) and compute_surface_dice
MONAI = {
    "shifted": (disc(30, 30, 12), disc(34, 33, 12), 5.0, 0.140625, 0.296875),
    "smaller": (disc(30, 30, 6), disc(30, 30, 15), 9.219544, 0.0, 0.0),
    "a speck far away": (
        disc(30, 30, 12) | disc(70, 10, 2),
        disc(30, 30, 12),
        33.050766,
        0.9411765,
        0.9411765,
    ),
    "at the edge": (disc(2, 30, 12), disc(4, 30, 12), 2.0, 0.6833333, 1.0),
    "the whole image": (np.ones((64, 80), bool), disc(40, 32, 20), 29.206163, 0.0, 0.0),
    "the same": (disc(30, 30, 12), disc(30, 30, 12), 0.0, 1.0, 1.0),
    "apart": (disc(15, 15, 5), disc(60, 50, 8), 59.375034, 0.0, 0.0),
}


@pytest.mark.parametrize("name", MONAI)
def test_boundary_distances_are_monais(name):
    mask, truth, hd95, near, far = MONAI[name]
    assert boundary(mask, truth, 1.0) == pytest.approx((hd95, near), abs=1e-5)
    assert boundary(truth, mask, 2.0) == pytest.approx((hd95, far), abs=1e-5)


def test_boundaries_of_empty_masks():
    empty = np.zeros((64, 80), bool)
    assert boundary(empty, empty, 1.0) == (0.0, 1.0)
    assert boundary(empty, disc(30, 30, 5), 1.0) == boundary(disc(30, 30, 5), empty, 1.0) == (math.inf, 0.0)
    with pytest.raises(ValueError, match="same shape"):
        boundary(empty, np.zeros((5, 5), bool), 1.0)


def test_overlap_adds_up_to_the_cumulative_iou():
    masks = [(disc(30, 30, 12), disc(34, 33, 12)), (disc(30, 30, 6), disc(30, 30, 15))]
    counts = [mask_overlap(*pair) for pair in masks]
    assert [inter / union for inter, union in counts] == pytest.approx([mask_iou(*pair) for pair in masks])
    both = ratio([c[0] for c in counts], [c[1] for c in counts], ["a", "b"])
    assert both.mean == pytest.approx(sum(c[0] for c in counts) / sum(c[1] for c in counts))
    assert both.low <= both.mean <= both.high and (both.n, both.clusters) == (2, 2)


def test_a_ratio_with_equal_weights_is_the_mean():
    values, cases = [0.1, 0.5, 0.9, 0.3], ["a", "a", "b", "c"]
    assert ratio(values, [1, 1, 1, 1], cases) == summary(values, cases)

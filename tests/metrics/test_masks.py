"""Masks by hand, and boundary distances by MONAI's values."""

import math

import numpy as np
import pytest

from medreasoner.metrics import boundary, dice, mask_iou, mask_overlap, paper_dice, ratio
from tests.metrics.shapes import disc, painted


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


# (HD95, NSD at 1 px, NSD at 2 px) by MONAI 1.6.1: compute_hausdorff_distance(percentile=95) and
# compute_surface_dice
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

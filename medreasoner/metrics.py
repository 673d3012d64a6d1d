"""How good a grounding is, and how sure we are of it.

Is: scores of one prediction against one truth, and means over many with an interval. `paper_*` are the published system's own formulas
(arXiv 2508.08177, its `eval/utils.py`), defects included; the others are the usual definitions. No table mixes the two.
Is not: a policy. What a failed answer scores (zero) is the caller's decision, and a NaN is an error here, not a missing value.

Boxes are half-open xyxy, points xy, both in pixels of the original image; masks are (H, W) bool. Every score is a plain float.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from medreasoner.geometry import Box, Point

AGREES = 0.5  # box IoU from which two boxes count as the same place, as in the usual accuracy at 0.5


def _finite(*groups: Sequence[float]) -> None:
    if not all(math.isfinite(v) for group in groups for v in group):
        raise ValueError(f"coordinates must be finite numbers, got {[tuple(group) for group in groups]}")


def _overlap(a: Box, b: Box) -> float:
    """Area of the intersection, 0 when they do not meet or one is reversed."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def _area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1; a box without area has IoU 0 with everything. ValueError for NaN or infinity."""
    _finite(a, b)
    inter = _overlap(a, b)
    union = _area(a) + _area(b) - inter
    return inter / union if union > 0 else 0.0


@dataclass(frozen=True)
class Agreement:
    """How much several answers to one question agree.

    Args:
        pairwise_iou: the mean box IoU of all pairs of them, 0..1; None for fewer than two.
        agreeing: how many overlap `shown` with a box IoU of at least 0.5. number: how many there are.
    """

    pairwise_iou: float | None
    agreeing: int
    number: int


def agreement(boxes: Sequence[Box | None], shown: Box) -> Agreement:
    """Of sampled `boxes` among themselves and with the box that is `shown`, all in one frame. None, an answer that could not be read,
    overlaps with nothing. This is consistency, not correctness: a model can be wrong the same way every time."""
    overlaps = [0.0 if a is None or b is None else box_iou(a, b) for a, b in itertools.combinations(boxes, 2)]
    agreeing = sum(box is not None and box_iou(box, shown) >= AGREES for box in boxes)
    return Agreement(sum(overlaps) / len(overlaps) if overlaps else None, agreeing, len(boxes))


def giou(a: Box, b: Box) -> float:
    """Generalised IoU (Rezatofighi et al., 2019), -1..1: IoU minus the share of the enclosing box that neither fills.

    It still has a slope where the boxes do not meet. 0 when the enclosing box has no area.
    """
    _finite(a, b)
    inter = _overlap(a, b)
    union = _area(a) + _area(b) - inter
    hull = (max(a[2], b[2]) - min(a[0], b[0])) * (max(a[3], b[3]) - min(a[1], b[1]))
    if not hull > 0:
        return 0.0
    return (inter / union if union > 0 else 0.0) - (hull - union) / hull


def mask_iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks, 0..1; two empty masks agree (1)."""
    inter, size, truth_size = _mask_counts(mask, truth)
    union = size + truth_size - inter
    return inter / union if union else 1.0


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """2 |M and T| / (|M| + |T|), 0..1; two empty masks agree (1)."""
    inter, size, truth_size = _mask_counts(mask, truth)
    return 2 * inter / (size + truth_size) if size + truth_size else 1.0


def mask_overlap(mask: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Pixels of the intersection and of the union, for the cumulative IoU of a whole set (sum over sum)."""
    inter, size, truth_size = _mask_counts(mask, truth)
    return inter, size + truth_size - inter


def boundary(mask: np.ndarray, truth: np.ndarray, tolerance: float) -> tuple[float, float]:
    """(HD95, NSD) of two masks.

    HD95: the 95th percentile of the distances from one boundary to the other, the worse of both directions, in pixels; infinite where
    only one mask is empty. NSD: the share of both boundaries, 0..1, that lies within `tolerance` pixels of the other one. A boundary is
    made of the pixels of a mask with a neighbour outside it. Values are those of MONAI's compute_hausdorff_distance and
    compute_surface_dice; two empty masks agree (0, 1).
    """
    if mask.shape != truth.shape:
        raise ValueError(f"the masks must have the same shape, got {mask.shape} and {truth.shape}")
    if not mask.any() or not truth.any():
        return (math.inf, 0.0) if mask.any() or truth.any() else (0.0, 1.0)
    rows, columns = (np.flatnonzero((mask | truth).any(axis=axis))[[0, -1]] for axis in (1, 0))
    part = slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1)
    first, second = (
        one[part] ^ ndimage.binary_erosion(one[part]) for one in (mask.astype(bool), truth.astype(bool))
    )
    there, back = (
        ndimage.distance_transform_edt(~second)[first],
        ndimage.distance_transform_edt(~first)[second],
    )
    near = np.count_nonzero(there <= tolerance) + np.count_nonzero(back <= tolerance)
    return float(max(np.percentile(there, 95), np.percentile(back, 95))), near / (len(there) + len(back))


def _mask_counts(mask: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    """Pixels in both, in `mask`, in `truth`."""
    if mask.shape != truth.shape:
        raise ValueError(f"the masks must have the same shape, got {mask.shape} and {truth.shape}")
    mask, truth = mask.astype(bool), truth.astype(bool)
    return int(np.count_nonzero(mask & truth)), int(np.count_nonzero(mask)), int(np.count_nonzero(truth))


def points_in_mask(points: Sequence[Point], mask: np.ndarray) -> float:
    """Share of the points, 0..1, that fall on a set pixel of `mask`; a point outside the image is outside the mask."""
    _finite(*points)
    if not points:
        raise ValueError("no points were given; expected at least one (x, y)")
    height, width = mask.shape
    return sum(bool(0 <= x < width and 0 <= y < height and mask[int(y), int(x)]) for x, y in points) / len(
        points
    )


def point_dice(points: Sequence[Point], truth: Sequence[Point]) -> float:
    """Dice, 0..1, of the two circles that have the two pairs of points as diameters; two equal circles of no area agree (1)."""
    inter, area, truth_area = _circles(points, truth)
    if area + truth_area > 0:
        return min(1.0, 2 * inter / (area + truth_area))
    return float(_middle(points) == _middle(truth))


def _middle(points: Sequence[Point]) -> Point:
    (ax, ay), (bx, by) = points
    return (ax + bx) / 2, (ay + by) / 2


def _circles(points: Sequence[Point], truth: Sequence[Point]) -> tuple[float, float, float]:
    """Areas of the lens and of both circles, whose diameters are the two pairs of points. The order of the points does not matter."""
    _finite(*points, *truth)
    r, s = math.dist(*points) / 2, math.dist(*truth) / 2
    d = math.dist(_middle(points), _middle(truth))
    areas = math.pi * r**2, math.pi * s**2
    if d >= r + s:
        return 0.0, *areas
    if d <= abs(r - s):
        return min(areas), *areas
    alpha = math.acos(min(1.0, max(-1.0, (d**2 + r**2 - s**2) / (2 * d * r))))
    beta = math.acos(min(1.0, max(-1.0, (d**2 + s**2 - r**2) / (2 * d * s))))
    lens = r**2 * (alpha - math.sin(2 * alpha) / 2) + s**2 * (beta - math.sin(2 * beta) / 2)
    return lens, *areas


# As published


def paper_box_iou(a: Box, b: Box) -> float:
    """inter / (union + 1e-6); areas keep their sign, so a reversed box scores 0 through its empty intersection."""
    _finite(a, b)
    inter = _overlap(a, b)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / (union + 1e-6)


def paper_pdice(points: Sequence[Point], truth: Sequence[Point]) -> float:
    """2 inter / (union + 1e-5) of the circles of `point_dice`: twice their IoU, 0..2. With D the true Dice, it is 2 D / (2 - D)."""
    inter, area, truth_area = _circles(points, truth)
    return 2 * inter / (area + truth_area - inter + 1e-5)


def paper_dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """2 |M and T| / (|M| + |T| + 1e-6); two empty masks score 0."""
    inter, size, truth_size = _mask_counts(mask, truth)
    return 2 * inter / (size + truth_size + 1e-6)


# Means with their intervals


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval `low`..`high`, over `n` values from `clusters` independent cases."""

    mean: float
    low: float
    high: float
    n: int
    clusters: int


def summary(values: Sequence[float], clusters: Sequence[str | int], seed: int = 0, n: int = 2000) -> Interval:
    """The mean of `values` with a 95 % percentile bootstrap that draws whole cases.

    Samples of one case (slices of a patient, targets of an image) are not independent: each of the `n` rounds draws as many cases as there
    are, with replacement, and takes the mean of all their values. The order of the samples does not matter. With a single case the
    interval is a point; it then says nothing.

    Args:
        values: (N,) scores, finite. clusters: (N,) the case of each, a string or a number.
    Errors: ValueError for no values, for unequal lengths, and for NaN or infinity (decide first what a failure scores).
    """
    return ratio(values, np.ones(len(values)), clusters, seed, n)


def ratio(
    values: Sequence[float],
    weights: Sequence[float],
    clusters: Sequence[str | int],
    seed: int = 0,
    n: int = 2000,
) -> Interval:
    """`summary` of a sum over a sum, sum(values) / sum(weights): the cumulative IoU, from intersections and unions."""
    scores, shares = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    if scores.ndim != 1 or len(scores) != len(clusters) or not len(scores):
        raise ValueError(
            f"expected as many values as clusters, at least one; got values {scores.shape} and {len(clusters)} clusters"
        )
    if not np.isfinite(scores).all():
        bad = np.count_nonzero(~np.isfinite(scores))
        raise ValueError(
            f"{bad} of {len(scores)} values are not finite; decide what a failed sample scores before summarising"
        )
    cases, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums, counts = np.bincount(index, weights=scores), np.bincount(index, weights=shares)
    drawn = _draws(len(cases), seed, n)
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(scores.sum() / shares.sum()), float(low), float(high), len(scores), len(cases))


@lru_cache(maxsize=16)
def _draws(cases: int, seed: int, n: int) -> np.ndarray:
    """(n, cases) indices: which cases each round of a bootstrap draws; the same for every measure of the same samples."""
    return np.random.default_rng(seed).integers(cases, size=(n, cases))


def paired(
    values_a: Sequence[float],
    values_b: Sequence[float],
    clusters: Sequence[str | int],
    seed: int = 0,
    n: int = 2000,
) -> Interval:
    """`summary` of a - b, for two ways of answering the same samples in the same order; the difference is real if it excludes zero."""
    if len(values_a) != len(values_b):
        raise ValueError(
            f"both sides must answer the same samples; got {len(values_a)} and {len(values_b)} values"
        )
    return summary(np.asarray(values_a, dtype=float) - np.asarray(values_b, dtype=float), clusters, seed, n)

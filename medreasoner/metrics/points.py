"""Scores of key points: against a mask, and against another pair of points."""

import math
from collections.abc import Sequence

import numpy as np

from medreasoner.geometry import Point
from medreasoner.metrics.boxes import require_finite


def points_in_mask(points: Sequence[Point], mask: np.ndarray) -> float:
    """Share of the points, 0..1, that fall on a set pixel of `mask`; a point outside the image is outside the
    mask."""
    require_finite(*points)
    if not points:
        raise ValueError("no points were given; expected at least one (x, y)")
    height, width = mask.shape
    inside = [0 <= x < width and 0 <= y < height and bool(mask[int(y), int(x)]) for x, y in points]
    return sum(inside) / len(points)


def point_dice(points: Sequence[Point], truth: Sequence[Point]) -> float:
    """Dice, 0..1, of the two circles whose diameters are the two pairs of points; two equal circles of no
    area agree (1)."""
    inter, area, truth_area = circle_areas(points, truth)
    if area + truth_area > 0:
        return min(1.0, 2 * inter / (area + truth_area))
    return float(_middle(points) == _middle(truth))


def circle_areas(points: Sequence[Point], truth: Sequence[Point]) -> tuple[float, float, float]:
    """Areas of the intersection and of both circles, whose diameters are the two pairs of points. The order
    of the points does not matter. Errors: ValueError for NaN or infinity."""
    require_finite(*points, *truth)
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


def _middle(points: Sequence[Point]) -> Point:
    (ax, ay), (bx, by) = points
    return (ax + bx) / 2, (ay + by) / 2

"""The published system's own formulas (arXiv 2508.08177, its `eval/utils.py`), bit by bit and defects
included.

They reproduce published numbers. For anything else use `boxes`, `masks` and `points`.
"""

from collections.abc import Sequence

import numpy as np

from medreasoner.geometry import Box, Point
from medreasoner.metrics.boxes import overlap, require_finite
from medreasoner.metrics.masks import pixel_counts
from medreasoner.metrics.points import circle_areas


def paper_box_iou(a: Box, b: Box) -> float:
    """inter / (union + 1e-6); areas keep their sign, so a box with swapped corners scores 0 through its empty
    intersection."""
    require_finite(a, b)
    inter = overlap(a, b)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter
    return inter / (union + 1e-6)


def paper_pdice(points: Sequence[Point], truth: Sequence[Point]) -> float:
    """2 inter / (union + 1e-5) of the circles of `point_dice`: twice their IoU, 0..2. With D the true Dice,
    it is 2 D / (2 - D)."""
    inter, area, truth_area = circle_areas(points, truth)
    return 2 * inter / (area + truth_area - inter + 1e-5)


def paper_dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """2 |M and T| / (|M| + |T| + 1e-6); two empty masks score 0."""
    inter, size, truth_size = pixel_counts(mask, truth)
    return 2 * inter / (size + truth_size + 1e-6)

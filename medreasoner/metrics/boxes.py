"""Overlap of boxes, and how much several boxes agree."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from medreasoner.geometry import Box

AGREES = 0.5  # box IoU from which two boxes count as the same place, as in the usual accuracy at 0.5


def require_finite(*groups: Sequence[float]) -> None:
    """Errors: ValueError if a coordinate is NaN or infinite."""
    if not all(math.isfinite(v) for group in groups for v in group):
        raise ValueError(f"coordinates must be finite numbers, got {[tuple(group) for group in groups]}")


def overlap(a: Box, b: Box) -> float:
    """Area of the intersection, 0 when the boxes do not meet or one has swapped corners."""
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def area(box: Box) -> float:
    """Area of a box, 0 when its corners are swapped."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0..1; a box without area has IoU 0 with everything. ValueError
    for NaN or infinity."""
    require_finite(a, b)
    inter = overlap(a, b)
    union = area(a) + area(b) - inter
    return inter / union if union > 0 else 0.0


@dataclass(frozen=True)
class Agreement:
    """How much several answers to one question agree.

    Args:
        pairwise_iou: mean box IoU over all pairs of answers, 0..1; None for fewer than two answers.
        agreeing: how many answers overlap the reference box with an IoU of at least 0.5.
        number: how many answers there are.
    """

    pairwise_iou: float | None
    agreeing: int
    number: int


def agreement(boxes: Sequence[Box | None], shown: Box) -> Agreement:
    """Agreement of sampled `boxes` among themselves and with the box `shown` to the user, all in one frame.

    None stands for an answer that could not be read; it overlaps with nothing. Agreement is consistency, not
    correctness: a model can be wrong the same way every time.
    """
    overlaps = [0.0 if a is None or b is None else box_iou(a, b) for a, b in itertools.combinations(boxes, 2)]
    agreeing = sum(box is not None and box_iou(box, shown) >= AGREES for box in boxes)
    return Agreement(sum(overlaps) / len(overlaps) if overlaps else None, agreeing, len(boxes))

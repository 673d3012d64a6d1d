"""The published system's rewards, its soft and its hard set, term by term and with its defects.

Formulas of `verl/utils/reward_score/med_grounding.py` of MedReasoner (arXiv 2508.08177), in pixels of an 840
x 840 image as there; tests/rewards/test_paper.py holds its values to four decimals. Do not train with these
without need: the hard set gives 5.56 of 8 to an answer on the wrong side. Where the original gives NaN or
stops with an error on a hostile answer, the term is 0 here.

Every term takes a `ScoredCompletion` and returns a number from 0 to 1.
"""

import math
from collections.abc import Callable, Sequence

from medreasoner.rewards.completion import ScoredCompletion
from medreasoner.rewards.paper_format import format_seg, format_think, places

Term = Callable[[ScoredCompletion], float]
Points = Sequence[Sequence[float]]
# what a failed validity check multiplies by; pixels between two points that count as apart
FLAG, SPREAD = (
    0.5,
    10,
)
LOG4 = math.log(4)


def log_smooth(value: float) -> float:
    """0.1 at 0, 1 at 1, steep at the bottom."""
    return 0.9 * math.log(3 * value + 1) / LOG4 + 0.1


def sigmoid_smooth(value: float, centre: float) -> float:
    """1 at 0, 0.1 at 2, half-way near `centre`."""
    low, high = _sigmoid(2, centre), _sigmoid(0, centre)
    return 0.9 * (_sigmoid(value, centre) - low) / (high - low + 1e-8) + 0.1


def _sigmoid(value: float, centre: float) -> float:
    return 1 / (1 + math.exp(3 * (value - centre)))


def penalised(reward: float, flags: float) -> float:
    """The reward with up to 30 % of it tied to the mean of two validity flags, in 0..1, to four decimals."""
    return round(min(1.0, max(0.0, 0.7 * reward + 0.3 * reward * flags)), 4)


def _holds(box: Sequence[float], points: Points) -> float:
    """1, 0.5 or 0.25: halved for each of the two points outside the box (its border counts as inside)."""
    x1, y1, x2, y2 = box
    share = 1.0
    for x, y in points:
        if not (x1 <= x <= x2 and y1 <= y <= y2):
            share *= FLAG
    return share


def _area(box: Sequence[float]) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _box_flags(completion: ScoredCompletion) -> float:
    """Mean of the two validity flags of the written box: it holds the true points, and is of about the true
    area."""
    box, (truth, points, _) = completion.once(places)[0], completion.reference.in_square
    alike = 0.5 * _area(truth) < _area(box) < 2 * _area(truth)
    return (_holds(box, points) + (1.0 if alike else FLAG)) / 2


def _point_flags(completion: ScoredCompletion) -> float:
    """Mean of the two validity flags of the written points: they lie in the true box, and apart."""
    points, truth = completion.once(places)[1], completion.reference.in_square[0]
    return (_holds(truth, points) + (1.0 if math.dist(*points) > SPREAD else FLAG)) / 2


def _box_term(score: Callable[[Sequence[float], Sequence[float], float], float]) -> Term:
    """A term from its smoothed score of (written box, true box, diagonal of the true box)."""

    def term(completion: ScoredCompletion) -> float:
        box = completion.once(places)[0]
        if box is None:
            return 0.0
        truth, _, diagonal = completion.reference.in_square
        try:
            return penalised(score(box, truth, diagonal), completion.once(_box_flags))
        # a box without height or with swapped corners, in the scale term
        except (
            ValueError,
            ZeroDivisionError,
        ):
            return 0.0

    term.__name__, term.__doc__ = score.__name__, score.__doc__
    return term


def _points_term(score: Callable[[Points, Points, float], float]) -> Term:
    """A term from its smoothed score of (written points, true points, diagonal of the true box)."""

    def term(completion: ScoredCompletion) -> float:
        points = completion.once(places)[1]
        if points is None:
            return 0.0
        _, truth, diagonal = completion.reference.in_square
        return penalised(score(points, truth, diagonal), completion.once(_point_flags))

    term.__name__, term.__doc__ = score.__name__, score.__doc__
    return term


@_box_term
def bbox_iou(box: Sequence[float], truth: Sequence[float], diagonal: float) -> float:
    """IoU, log-smoothed."""
    width = max(0.0, min(box[2], truth[2]) - max(box[0], truth[0]))
    height = max(0.0, min(box[3], truth[3]) - max(box[1], truth[1]))
    inter = width * height
    return log_smooth(inter / (_area(box) + _area(truth) - inter + 1e-5))


@_box_term
def bbox_align(box: Sequence[float], truth: Sequence[float], diagonal: float) -> float:
    """Mean distance of the four coordinates over the true diagonal, sigmoid-smoothed."""
    (a, b, c, d), (e, f, g, h) = box, truth
    return sigmoid_smooth(_relative((abs(a - e) + abs(b - f) + abs(c - g) + abs(d - h)) / 4, diagonal), 1)


@_box_term
def bbox_scale(box: Sequence[float], truth: Sequence[float], diagonal: float) -> float:
    """Log ratio of areas and of aspect ratios, at most 1, sigmoid-smoothed as if it went to 2."""
    w, h, tw, th = box[2] - box[0], box[3] - box[1], truth[2] - truth[0], truth[3] - truth[1]
    area = math.log((w * h + 1e-6) / (tw * th + 1e-6))
    aspect = math.log((w / h + 1e-6) / (tw / th + 1e-6))
    return sigmoid_smooth(min(1.0, math.hypot(area, aspect)), 0.5)


def _relative(value: float, diagonal: float) -> float:
    return min(2.0, max(0.0, value / (diagonal + 1e-5)))


@_points_term
def points_dice(points: Points, truth: Points, diagonal: float) -> float:
    """Twice the IoU of the circles with the pairs as diameters (called Dice there), log-smoothed: full marks
    from IoU 0.5 on."""
    r, s = math.dist(*points) / 2 + 1e-5, math.dist(*truth) / 2 + 1e-5
    ((ax, ay), (bx, by)), ((cx, cy), (dx, dy)) = points, truth
    lens = _lens(r, s, math.hypot(ax + bx - cx - dx, ay + by - cy - dy) / 2)
    return log_smooth(2 * lens / (math.pi * (r * r + s * s) - lens + 1e-5))


def _lens(r: float, s: float, d: float) -> float:
    """Area common to two circles of radii r and s whose centres are d apart."""
    if d >= r + s:
        return 0.0
    if d <= abs(r - s):
        return math.pi * min(r, s) ** 2
    alpha = math.acos(min(1.0, max(-1.0, (d * d + r * r - s * s) / (2 * d * r))))
    beta = math.acos(min(1.0, max(-1.0, (d * d + s * s - r * r) / (2 * d * s))))
    return r * r * (alpha - math.sin(2 * alpha) / 2) + s * s * (beta - math.sin(2 * beta) / 2)


@_points_term
def points_align(points: Points, truth: Points, diagonal: float) -> float:
    """Mean distance of the coordinates, in the better of the two orders, over the true diagonal,
    sigmoid-smoothed."""
    (a, b), (c, d) = points, truth
    return sigmoid_smooth(
        _relative(min(_apart(a, c) + _apart(b, d), _apart(a, d) + _apart(b, c)) / 4, diagonal), 1
    )


def _apart(a: Sequence[float], b: Sequence[float]) -> float:
    """City-block distance of two points."""
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


@_points_term
def points_angle(points: Points, truth: Points, diagonal: float) -> float:
    """Cosine of the angle between the two lines through the pairs, without its sign, log-smoothed."""
    ((px, py), (qx, qy)), ((tx, ty), (ux, uy)) = points, truth
    ax, ay, bx, by = qx - px, qy - py, ux - tx, uy - ty
    return log_smooth(abs(ax * bx + ay * by) / (math.hypot(ax, ay) * math.hypot(bx, by) + 1e-8))


SOFT = (format_think, format_seg, bbox_iou, points_dice)
OF_TEXT = frozenset({"format_think"})  # judges a right absence as any other answer
HARD = (*SOFT, bbox_align, bbox_scale, points_align, points_angle)

"""The published system's rewards of its soft and hard sets, term by term, defects included.

Is: the formulas of `verl/utils/reward_score/med_grounding.py` of MedReasoner (arXiv 2508.08177; facts and test vectors are held by
tests/rewards/test_rewards.py to four decimals). Everything is in pixels of an 840 x 840 image, as there.
Is not: what one should train with: a wrong-side answer gets 5.56 of 8 from the hard set. See `ours.py`.

Where the original would give NaN or stop with an error on a hostile answer, the term is 0.
"""

import json
import math
from collections.abc import Callable

from medreasoner.answer import KEYS
from medreasoner.geometry import to_image
from medreasoner.rewards.reference import SQUARE, Reference

Numbers = list[float]


def inside(text: str, tag: str) -> str | None:
    """What stands between the first `<tag>` and the first `</tag>` after it, or None."""
    start = text.find(f"<{tag}>")
    end = text.find(f"</{tag}>", start) if start >= 0 else -1
    return text[start + len(tag) + 2 : end] if end >= 0 else None


def loads(text: str) -> object:
    """JSON, or None for what is none or is nested too deeply to read."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def is_list(values: object, count: int) -> bool:
    """The published test of a box or a point: that many numbers, of which True and NaN are two."""
    return (
        isinstance(values, list) and len(values) == count and all(isinstance(v, (int, float)) for v in values)
    )


def answer_of(text: str) -> dict | None:
    """The object in the first answer block, single quotes taken for double ones; None if there is none."""
    body = inside(text, "answer")
    found = None if body is None else loads(body.replace("'", '"'))
    return found if isinstance(found, dict) else None


def format_think(text: str, case: Reference) -> float:
    """0 without a reasoning block, 0.2 for a blank one, else 1. Order, number and surroundings of the blocks do not matter."""
    think = inside(text, "think")
    return 0.0 if think is None else 1.0 if think.strip() else 0.2


def format_seg(text: str, case: Reference) -> float:
    """0 no answer block; 0.2 no JSON object; 0.4 a key is missing, or box and points are malformed; 0.6 one of them is; else 1."""
    if inside(text, "answer") is None:
        return 0.0
    answer = answer_of(text)
    if answer is None:
        return 0.2
    if any(key not in answer for key in KEYS):
        return 0.4
    good = is_list(answer["bbox"], 4) + all(is_list(answer[key], 2) for key in KEYS[1:])
    return (0.4, 0.6, 1.0)[good]


def log_smooth(value: float) -> float:
    """0.1 at 0, 1 at 1, steep at the bottom."""
    return 0.9 * math.log(3 * value + 1) / math.log(4) + 0.1


def sigmoid_smooth(value: float, centre: float) -> float:
    """1 at 0, 0.1 at 2, half-way near `centre`."""

    def s(x: float) -> float:
        return 1 / (1 + math.exp(3 * (x - centre)))

    return 0.9 * (s(value) - s(2)) / (s(0) - s(2) + 1e-8) + 0.1


def penalised(reward: float, first: float, second: float) -> float:
    """The reward with up to 30 % of it tied to two validity flags, in 0..1, to four decimals."""
    return round(min(1.0, max(0.0, 0.7 * reward + 0.3 * reward * (first + second) / 2)), 4)


def _holds(box: Numbers, points: list[Numbers]) -> float:
    """1, 0.5 or 0.25: halved for each of the two points outside the box (its border counts as inside)."""
    return math.prod(1.0 if box[0] <= x <= box[2] and box[1] <= y <= box[3] else 0.5 for x, y in points)


def _area(box: Numbers) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def _written(text: str, case: Reference, keys: tuple[str, ...]) -> tuple[Numbers, list[Numbers]] | None:
    """(box, points) as written, in the 840 square, if those of `keys` are well formed and finite; the others are zeros."""
    answer = answer_of(text) or {}
    raw = {key: answer.get(key) for key in keys}
    if not all(is_list(values, 4 if key == "bbox" else 2) for key, values in raw.items()):
        return None
    if not all(-1e9 < v < 1e9 for values in raw.values() for v in values):
        return None
    box = raw.get("bbox", [0.0] * 4)
    points = [raw.get(key, [0.0, 0.0]) for key in KEYS[1:]]
    found = to_image(box, points, case.frame, (int(SQUARE), int(SQUARE)), case.input_wh)
    return list(found.box), [list(p) for p in found.points]


def _box_term(score: Callable[[Numbers, Numbers, float], float]) -> Callable[[str, Reference], float]:
    """A box term from its smoothed score of (written box, true box, diagonal of the true box)."""

    def term(text: str, case: Reference) -> float:
        written = _written(text, case, ("bbox",))
        if written is None:
            return 0.0
        box, (truth, points) = written[0], case.squared()
        area = 1.0 if 0.5 * _area(truth) < _area(box) < 2 * _area(truth) else 0.5
        try:
            return penalised(score(box, truth, math.dist(truth[:2], truth[2:])), _holds(box, points), area)
        except (
            ValueError,
            ZeroDivisionError,
        ):  # a box without height or with swapped corners, in the scale term
            return 0.0

    term.__name__, term.__doc__ = score.__name__, score.__doc__
    return term


@_box_term
def bbox_iou(box: Numbers, truth: Numbers, diagonal: float) -> float:
    """IoU, log-smoothed."""
    inter = max(0.0, min(box[2], truth[2]) - max(box[0], truth[0])) * max(
        0.0, min(box[3], truth[3]) - max(box[1], truth[1])
    )
    return log_smooth(inter / (_area(box) + _area(truth) - inter + 1e-5))


@_box_term
def bbox_align(box: Numbers, truth: Numbers, diagonal: float) -> float:
    """Mean distance of the four coordinates over the true diagonal, sigmoid-smoothed."""
    return sigmoid_smooth(_over(sum(abs(a - b) for a, b in zip(box, truth, strict=True)) / 4, diagonal), 1)


@_box_term
def bbox_scale(box: Numbers, truth: Numbers, diagonal: float) -> float:
    """Log ratio of areas and of aspect ratios, at most 1, sigmoid-smoothed as if it went to 2."""
    (w, h), (tw, th) = ((b[2] - b[0], b[3] - b[1]) for b in (box, truth))
    area = math.log((w * h + 1e-6) / (tw * th + 1e-6))
    aspect = math.log((w / h + 1e-6) / (tw / th + 1e-6))
    return sigmoid_smooth(min(1.0, math.hypot(area, aspect)), 0.5)


def _over(value: float, diagonal: float) -> float:
    return min(2.0, max(0.0, value / (diagonal + 1e-5)))


def _points_term(
    score: Callable[[list[Numbers], list[Numbers], float], float],
) -> Callable[[str, Reference], float]:
    """A points term from its smoothed score of (written points, true points, diagonal of the true box)."""

    def term(text: str, case: Reference) -> float:
        written = _written(text, case, KEYS[1:])
        if written is None:
            return 0.0
        points, (box, truth) = written[1], case.squared()
        spread = 1.0 if math.dist(*points) > 10 else 0.5
        return penalised(score(points, truth, math.dist(box[:2], box[2:])), _holds(box, points), spread)

    term.__name__, term.__doc__ = score.__name__, score.__doc__
    return term


@_points_term
def points_dice(points: list[Numbers], truth: list[Numbers], diagonal: float) -> float:
    """Twice the IoU of the circles with the pairs as diameters (called Dice there), log-smoothed: full marks from IoU 0.5 on."""
    r, s = math.dist(*points) / 2 + 1e-5, math.dist(*truth) / 2 + 1e-5
    d = math.dist(*([(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in (points, truth)))
    lens = _lens(r, s, d)
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
def points_align(points: list[Numbers], truth: list[Numbers], diagonal: float) -> float:
    """Mean distance of the coordinates, in the better of the two orders, over the true diagonal, sigmoid-smoothed."""

    def apart(order: list[Numbers]) -> float:
        return sum((abs(p[0] - t[0]) + abs(p[1] - t[1])) / 2 for p, t in zip(order, truth, strict=True)) / 2

    return sigmoid_smooth(_over(min(apart(points), apart(points[::-1])), diagonal), 1)


@_points_term
def points_angle(points: list[Numbers], truth: list[Numbers], diagonal: float) -> float:
    """Cosine of the angle between the two lines through the pairs, without its sign, log-smoothed."""
    (ax, ay), (bx, by) = ([q - p for p, q in zip(*pair, strict=True)] for pair in (points, truth))
    return log_smooth(abs(ax * bx + ay * by) / (math.hypot(ax, ay) * math.hypot(bx, by) + 1e-8))


SOFT = (format_think, format_seg, bbox_iou, points_dice)
HARD = (*SOFT, bbox_align, bbox_scale, points_align, points_angle)

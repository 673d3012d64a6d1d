"""The published system's base set, taken there from Seg-Zero: five answers of yes (1) or no (0).

`med_base.py` of MedReasoner (arXiv 2508.08177), in pixels of an 840 x 840 image, in two versions: RELEASED,
where two of the five terms stop with an error for every answer and so are 0, and INTENDED. Not a base for
anything new.
"""

import itertools
import math
import re

from medreasoner.answer import KEYS, LENGTHS
from medreasoner.geometry import Box, Point, to_image
from medreasoner.rewards.completion import ScoredCompletion
from medreasoner.rewards.paper_format import SQUARE_WH, in_range, is_list, loads

IOU, BOX_PIXELS, POINT_PIXELS = 0.5, 10, 100  # an answer is right above the first and below the others
_TURN = re.compile(r"</think>\s*<answer>")


def thinking(completion: ScoredCompletion) -> float:
    """1 if the whole text is one reasoning and one answer, with nothing but white space between them."""
    text = completion.text
    whole = text.startswith("<think>") and text.endswith("</answer>")
    return float(whole and _TURN.search(text, len("<think>"), len(text) - len("</answer>")) is not None)


def segment(completion: ScoredCompletion) -> float:
    """1 if the first {…} in the text is strict JSON (double quotes only) with a box of four and two points of
    two numbers."""
    return float(completion.once(_answer) is not None)


def _answer(completion: ScoredCompletion) -> dict | None:
    text = completion.text
    start = text.find("{")
    while start >= 0:
        end = text.find("}", start)
        if end < 0:
            return None
        if end > start + 1:
            found = loads(text[start : end + 1])
            whole = isinstance(found, dict) and all(is_list(found.get(key), LENGTHS[key]) for key in KEYS)
            return found if whole else None
        start = text.find("{", start + 1)
    return None


def _places(completion: ScoredCompletion) -> tuple[Box, tuple[Point, Point]] | None:
    """(box, points) as written, in the 840 square; None where there are none."""
    found, reference = completion.once(_answer), completion.reference
    if found is None or not all(in_range(found[key]) for key in KEYS):
        return None
    points = [found[key] for key in KEYS[1:]]
    placed = to_image(found["bbox"], points, reference.frame, SQUARE_WH, reference.input_wh)
    return placed.box, placed.points


def iou(completion: ScoredCompletion) -> float:
    """1 if the IoU of the boxes, their last row and column of pixels counted in, is over 0.5."""
    places = completion.once(_places)
    if places is None:
        return 0.0
    box, truth = places[0], completion.reference.in_square[0]
    width = max(0.0, min(box[2], truth[2]) - max(box[0], truth[0]) + 1)
    height = max(0.0, min(box[3], truth[3]) - max(box[1], truth[1]) + 1)
    inter = width * height
    union = sum((b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, truth)) - inter
    return float(union > 0 and inter / union > IOU)


def bbox_l1(completion: ScoredCompletion) -> float:
    """1 if the four coordinates are off by less than 10 pixels on average."""
    places = completion.once(_places)
    if places is None:
        return 0.0
    truth = completion.reference.in_square[0]
    return float(sum(abs(a - b) for a, b in zip(places[0], truth, strict=True)) / len(truth) < BOX_PIXELS)


def points_l1(completion: ScoredCompletion) -> float:
    """1 if both points, cut to whole pixels, lie in the written box and are within 100 pixels of the true
    ones on average, in the better order."""
    places = completion.once(_places)
    if places is None:
        return 0.0
    (x1, y1, x2, y2), points = places[0], [[int(v) for v in point] for point in places[1]]
    if not all(x1 <= x <= x2 and y1 <= y <= y2 for x, y in points):
        return 0.0
    truth = completion.reference.in_square[1]
    distances = [sum(map(math.dist, order, truth)) / 2 for order in itertools.permutations(points)]
    return float(min(distances) < POINT_PIXELS)


def dead(completion: ScoredCompletion) -> float:
    """What the released code gives for the two box terms: 0, since it calls `.strip()` on a dict."""
    return 0.0


OF_TEXT = frozenset({"thinking"})  # judges a right absence as any other answer
INTENDED = (thinking, segment, iou, bbox_l1, points_l1)
DEAD = frozenset({"iou", "bbox_l1"})  # in the released code
RELEASED = {"thinking": thinking, "segment": segment, "iou": dead, "bbox_l1": dead, "points_l1": points_l1}

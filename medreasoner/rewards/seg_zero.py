"""The published system's base set, taken there from Seg-Zero: five answers of yes or no.

Is: `med_base.py` of MedReasoner (arXiv 2508.08177) in pixels of an 840 x 840 image, in two versions: as released, where two of the five
terms stop with an error for every answer and so are 0, and as intended.
Is not: a base for anything new.
"""

import itertools
import math
import re

from medreasoner.answer import KEYS
from medreasoner.geometry import to_image
from medreasoner.rewards.paper import Numbers, is_list, loads
from medreasoner.rewards.reference import SQUARE, Reference

_TURN = re.compile(r"</think>\s*<answer>")


def thinking(text: str, case: Reference) -> float:
    """1 if the whole text is one reasoning and one answer, with nothing but white space between them."""
    whole = text.startswith("<think>") and text.endswith("</answer>")
    return float(whole and _TURN.search(text, len("<think>"), len(text) - len("</answer>")) is not None)


def segment(text: str, case: Reference) -> float:
    """1 if the first {…} in the text is strict JSON (double quotes only) with a box of four and two points of two numbers."""
    return float(_first_object(text) is not None)


def _first_object(text: str) -> dict | None:
    start = text.find("{")
    while start >= 0:
        end = text.find("}", start)
        if end < 0:
            return None
        if end > start + 1:
            found = loads(text[start : end + 1])
            whole = isinstance(found, dict) and all(
                is_list(found.get(key), 4 if key == "bbox" else 2) for key in KEYS
            )
            return found if whole else None
        start = text.find("{", start + 1)
    return None


def _written(text: str, case: Reference) -> tuple[Numbers, list[Numbers]] | None:
    found = _first_object(text)
    if found is None or not all(-1e9 < v < 1e9 for key in KEYS for v in found[key]):
        return None
    placed = to_image(
        found["bbox"], [found[key] for key in KEYS[1:]], case.frame, (int(SQUARE), int(SQUARE)), case.input_wh
    )
    return list(placed.box), [list(p) for p in placed.points]


def iou(text: str, case: Reference) -> float:
    """1 if the IoU of the boxes, their last row and column of pixels counted in, is over 0.5."""
    if (written := _written(text, case)) is None:
        return 0.0
    box, truth = written[0], case.squared()[0]
    inter = max(0.0, min(box[2], truth[2]) - max(box[0], truth[0]) + 1) * max(
        0.0, min(box[3], truth[3]) - max(box[1], truth[1]) + 1
    )
    areas = [(b[2] - b[0] + 1) * (b[3] - b[1] + 1) for b in (box, truth)]
    union = sum(areas) - inter
    return float(union > 0 and inter / union > 0.5)


def bbox_l1(text: str, case: Reference) -> float:
    """1 if the four coordinates are off by less than 10 pixels on average."""
    if (written := _written(text, case)) is None:
        return 0.0
    return float(sum(abs(a - b) for a, b in zip(written[0], case.squared()[0], strict=True)) / 4 < 10)


def points_l1(text: str, case: Reference) -> float:
    """1 if both points, cut to whole pixels, lie in the written box and are within 100 pixels of the true ones on average, in the better
    order."""
    if (written := _written(text, case)) is None:
        return 0.0
    box, points = written[0], [[int(v) for v in p] for p in written[1]]
    if not all(box[0] <= x <= box[2] and box[1] <= y <= box[3] for x, y in points):
        return 0.0
    truth = case.squared()[1]
    return float(min(sum(map(math.dist, order, truth)) / 2 for order in itertools.permutations(points)) < 100)


def dead(text: str, case: Reference) -> float:
    """What the released code gives for the two box terms: 0, since it calls `.strip()` on a dict."""
    return 0.0


INTENDED = (thinking, segment, iou, bbox_l1, points_l1)
RELEASED = {"thinking": thinking, "segment": segment, "iou": dead, "bbox_l1": dead, "points_l1": points_l1}

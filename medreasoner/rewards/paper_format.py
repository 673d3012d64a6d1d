"""How the published system reads an answer, and its two terms for the form of one (see `paper.py` for the
source).

It is more tolerant than `answer.parse`: any order and number of blocks, text around them, True and NaN as
numbers.
"""

import json

from medreasoner.answer import KEYS, LENGTHS
from medreasoner.geometry import Box, Point, to_image
from medreasoner.rewards.completion import ScoredCompletion
from medreasoner.rewards.reference import LARGEST, SQUARE

BOX, FIRST, SECOND = KEYS
NO_BOX, NO_POINTS = (0.0,) * 4, ((0.0,) * 2,) * 2  # stand in for what is malformed, and are not scored
SQUARE_WH = SQUARE, SQUARE
NO_THINK, BLANK_THINK = 0.0, 0.2
NO_ANSWER, NO_OBJECT, KEY_MISSING = 0.0, 0.2, 0.4
WELL_FORMED = (0.4, 0.6, 1.0)  # by how many of box and points are


def between_tags(text: str, tag: str) -> str | None:
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
    if not isinstance(values, list) or len(values) != count:
        return False
    for value in values:  # a loop, because `all` over a generator takes twice as long
        if not isinstance(value, (int, float)):
            return False
    return True


def in_range(values: list[float]) -> bool:
    """Whether all are finite and of a size that can be calculated with."""
    for value in values:
        if not -LARGEST < value < LARGEST:
            return False
    return True


def answer_block(completion: ScoredCompletion) -> str | None:
    return between_tags(completion.text, "answer")


def answer_object(completion: ScoredCompletion) -> dict | None:
    """The object in the first answer block, single quotes taken for double ones; None if there is none."""
    block = completion.once(answer_block)
    found = None if block is None else loads(block.replace("'", '"'))
    return found if isinstance(found, dict) else None


def well_formed(completion: ScoredCompletion) -> tuple[bool, bool]:
    """Whether the answer holds a box, and two points, in the published sense."""
    answer = completion.once(answer_object) or {}
    first, second = answer.get(FIRST), answer.get(SECOND)
    return is_list(answer.get(BOX), LENGTHS[BOX]), is_list(first, LENGTHS[FIRST]) and is_list(
        second, LENGTHS[SECOND]
    )


def places(completion: ScoredCompletion) -> tuple[Box | None, tuple[Point, Point] | None]:
    """(box, points) as written, in the 840 square; None for what is malformed or not finite."""
    answer, (has_box, has_points) = completion.once(answer_object), completion.once(well_formed)
    has_box = has_box and in_range(answer[BOX])
    has_points = has_points and in_range(answer[FIRST]) and in_range(answer[SECOND])
    if not has_box and not has_points:
        return None, None
    placed = to_image(
        answer[BOX] if has_box else NO_BOX,
        (answer[FIRST], answer[SECOND]) if has_points else NO_POINTS,
        completion.reference.frame,
        SQUARE_WH,
        completion.reference.input_wh,
    )
    return placed.box if has_box else None, placed.points if has_points else None


def format_think(completion: ScoredCompletion) -> float:
    """0 without a reasoning block, 0.2 for a blank one, else 1. The blocks' order, number and surroundings do
    not matter."""
    think = between_tags(completion.text, "think")
    if think is None:
        return NO_THINK
    return 1.0 if think.strip() else BLANK_THINK


def format_seg(completion: ScoredCompletion) -> float:
    """0 no answer block; 0.2 no JSON object; 0.4 a key is missing, or box and points are malformed; 0.6 one
    of them is; else 1."""
    if completion.once(answer_block) is None:
        return NO_ANSWER
    answer = completion.once(answer_object)
    if answer is None:
        return NO_OBJECT
    if any(key not in answer for key in KEYS):
        return KEY_MISSING
    return WELL_FORMED[sum(completion.once(well_formed))]

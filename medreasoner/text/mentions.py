"""Coordinates in running text: where they stand, and which part of the image they mean.

Finds `[120, 45, 300, 210]`, `(120, 45)`, `x 120, y 45`, `x from 120 to 300` and the like in a reasoning, and
gives them in pixels of the original image. Nothing is scored by them: numbers in brackets may mean something
else.

A reasoning may be anything a stranger's model writes, so every pattern takes time in proportion to the text:
repetitions that follow each other are possessive (`*+`, `?+`) and give nothing back.

Not here: the answer's own coordinates (see answer.py).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from medreasoner.geometry import Box, Frame, Point, to_image

POINT = 2  # numbers
MAX_TEXT = 50_000  # characters that are looked at; a true reasoning has some thousands
_NUMBER = r"(-?\d{1,9}+(?:\.\d{1,20}+)?+)"
# the last number ends here; it is no length, and no range begins with it
_WHOLE = r"(?!\.?\d|\s*+(?:mm|cm|%|to\b|[-–—]))"
_IS = r"\s*+(?:=|:|from|between|in)?+\s*+[\[(]?+\s*+"
_RANGE = rf"{_IS}{_NUMBER}\s*+(?:to|and|,|[-–—])\s*+{_NUMBER}{_WHOLE}[\])]?"
_THEN = r"\s*+(?:[,;]\s*+)?+(?:and\b\s*+)?+"
_NOT_TIMES = r"(?<!\d )\b"  # "2 x 3 to 4" is a size

_COMMA = r"\s*+,\s*+"
_BRACKETED = re.compile(
    rf"[\[(]\s*+{_NUMBER}{_COMMA}{_NUMBER}(?:{_COMMA}{_NUMBER}{_COMMA}{_NUMBER})?+\s*+[\])]"
)
_PAIR = re.compile(rf"{_NOT_TIMES}x{_IS}{_NUMBER}{_THEN}y{_IS}{_NUMBER}{_WHOLE}", re.IGNORECASE)
_RANGES = re.compile(
    rf"{_NOT_TIMES}(?:x{_RANGE}(?:{_THEN}y{_RANGE})?|y{_RANGE}(?:{_THEN}x{_RANGE})?)", re.IGNORECASE
)


@dataclass(frozen=True)
class Mention:
    """A place named in a text.

    Args:
        start, end: the characters that name it.
        box, point: in pixels of the original image; one of them is None.
    """

    start: int
    end: int
    box: Box | None
    point: Point | None


def find_mentions(
    text: str, frame: Frame, image_wh: tuple[int, int], input_wh: tuple[int, int] | None = None
) -> list[Mention]:
    """The coordinates that `text` names, in its order.

    A range of one axis means that strip of the image; beside a range of the other axis the two are one box.
    Left out are those that reach outside the image or enclose nothing, and those beyond MAX_TEXT characters.

    Args:
        frame: in which the numbers are written; those that stand beside their x or y do not follow its order
            of axes.
        image_wh: (width, height) of the original image.
        input_wh: (width, height) of the resized input, for frames in its pixels.
    """
    text, found, end = text[:MAX_TEXT], [], 0
    candidates = [(match, frame, _numbers(match)) for match in _BRACKETED.finditer(text)]
    candidates += [(match, replace(frame, axes="xy"), numbers) for match, numbers in _named(text)]
    for match, number_frame, numbers in sorted(candidates, key=lambda each: each[0].start()):
        mention = Mention(*match.span(), *_in_image(numbers, number_frame, image_wh, input_wh))
        if match.start() >= end and _is_inside(mention, image_wh):
            found.append(mention)
            end = match.end()
    return found


def _named(text: str) -> Iterator[tuple[re.Match, list[float | None]]]:
    """Numbers beside the name of their axis: x, y, or x1, y1, x2, y2 with None for an axis without range."""
    for match in _PAIR.finditer(text):
        yield match, _numbers(match)
    for match in _RANGES.finditer(text):
        x1, x2, y1, y2, *swapped = (None if number is None else float(number) for number in match.groups())
        if swapped[0] is not None:
            y1, y2, x1, x2 = swapped
        yield match, [x1, y1, x2, y2]


def _numbers(match: re.Match) -> list[float]:
    return [float(number) for number in match.groups() if number is not None]


def _in_image(
    numbers: Sequence[float | None], frame: Frame, image_wh: tuple[int, int], input_wh: tuple[int, int] | None
) -> tuple[Box | None, Point | None]:
    """(box, None) of four numbers, (None, point) of two. An axis without a range is taken whole."""
    known = [number or 0.0 for number in numbers]
    grounding = to_image((known * 2)[:4], (known[:2], known[:2]), frame, image_wh, input_wh)
    if len(numbers) == POINT:
        return None, grounding.points[0]
    x1, y1, x2, y2 = grounding.box
    if numbers[0] is None:
        x1, x2 = 0.0, float(image_wh[0])
    if numbers[1] is None:
        y1, y2 = 0.0, float(image_wh[1])
    return (x1, y1, x2, y2), None


def _is_inside(mention: Mention, image_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = mention.box or mention.point * 2
    holds = mention.box is None or (x1 < x2 and y1 < y2)
    return holds and min(x1, y1) >= 0 and x2 <= image_wh[0] and y2 <= image_wh[1]

"""Reads the ways in which other model families write a box, and tells a refusal from an unreadable answer.

One pure function per way: text in, `Found` or None out, with the numbers exactly as the model wrote them. The
project's own format is read by `answer.py`; `geometry.to_image` converts the numbers. Only what follows the
reasoning is read, and of several boxes the first: a question has one target.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from medreasoner.answer import Answer, parse, render
from medreasoner.answer_blocks import TAGS
from medreasoner.certainty import Closing

Pair = tuple[float, float]
NO_POINTS = "(No points were given; the two below lie in the box.)"
NEAR = 2000  # characters after a box in which its points are looked for

# Possessive, so that a hostile text costs time in proportion to its length
_NUMBER = r"\s*+(-?\d{1,20}+(?:\.\d{1,20}+)?+)\s*+"
_FOUR = ",".join([_NUMBER] * 4)
_TWO = ",".join([_NUMBER] * 2)
_JSON_BOX = re.compile(rf"""["'](?:bbox_2d|box_2d|bbox|box)["']\s*+:\s*+\[++{_FOUR}\]""")
_JSON_POINTS = re.compile(r"""["']points?(?:_2d|_\d)?["']\s*+:\s*+""")
_BRACKETED_PAIR = re.compile(rf"\[{_TWO}\]")
_INTERNVL = re.compile(rf"<box>\s*+\[++{_FOUR}\]++\s*+</box>")
_QWEN2 = re.compile(rf"\({_TWO}\)\s*+,?+\s*+\({_TWO}\)")
_LIST = re.compile(rf"\[{_FOUR}\]")
_ROUND_PAIR = re.compile(rf"\({_TWO}\)")


@dataclass(frozen=True)
class Found:
    """A box and, where the text has them, two points."""

    bbox: tuple[float, float, float, float]
    points: tuple[Pair, Pair] | None = None


def json_boxes(text: str) -> Found | None:
    """`{"bbox_2d": […], "point_2d": […]}`, alone, in a list, fenced or cut short: Qwen2.5-VL and Qwen3-VL,
    VLM-R1, VisionReasoner; `{"box_2d": [y0, x0, y1, x1]}` of Gemini and MedGemma. Read key by key, so that a
    broken end costs nothing.
    """
    found = _JSON_BOX.search(text)
    if found is None:
        return None
    following = _JSON_BOX.search(text, found.end())
    end = found.end() + NEAR
    own = text[found.end() : min(following.start(), end) if following else end]  # of the first box
    pairs = [pair for key in _JSON_POINTS.finditer(own) for pair in _pairs(_BRACKETED_PAIR, own[key.end() :])]
    return Found(_numbers(found.groups()), _two(pairs))


def internvl(text: str) -> Found | None:
    """`<ref>name</ref><box>[[x1, y1, x2, y2]]</box>`: InternVL and what is built on it."""
    found = _INTERNVL.search(text)
    return found and Found(_numbers(found.groups()))


def qwen2(text: str) -> Found | None:
    """`name(x1,y1),(x2,y2)`: Qwen2-VL, whose box tokens are special and vanish when its text is decoded."""
    found = _QWEN2.search(text)
    return found and Found(_numbers(found.groups()))


def four_in_brackets(text: str) -> Found | None:
    """`[x1, y1, x2, y2]`, points as `(x, y)` after it: SAM4MLLM, and whatever answers with a bare list."""
    found = _LIST.search(text)
    return found and Found(_numbers(found.groups()), _two(_pairs(_ROUND_PAIR, text[found.end() :])))


DIALECTS: dict[str, Callable[[str], Found | None]] = {
    "json": json_boxes,
    "internvl": internvl,
    "qwen2": qwen2,
    "list": four_in_brackets,
}


def find(text: str, dialects: Sequence[str]) -> Found | None:
    """What the first of `dialects` that finds a box finds after the reasoning."""
    after = text.rsplit(TAGS[1], 1)[-1]
    return next((found for name in dialects if (found := DIALECTS[name](after)) is not None), None)


def translate(text: str, dialects: Sequence[str]) -> str | None:
    """The answer that `text` means, in the project's format, to be written after it; None where `text` keeps
    to the format already or means no box. Without points two inside the box stand in, and `NO_POINTS` says
    so.
    """
    parsed = parse(text)
    if parsed.answer is not None or parsed.absent:
        return None
    found = find(text, dialects)
    if found is None:
        return None
    notice = "" if found.points else f"{NO_POINTS}\n"
    return notice + render(Answer(found.bbox, found.points or inside(found.bbox)))


def inside(bbox: Sequence[float]) -> tuple[Pair, Pair]:
    """Two points on the longer middle line of a box, a third of it apart; in any frame and axis order."""
    a1, b1, a2, b2 = bbox
    middle, (da, db) = ((a1 + a2) / 2, (b1 + b2) / 2), (a2 - a1, b2 - b1)
    da, db = (da / 6, 0.0) if abs(da) >= abs(db) else (0.0, db / 6)
    return (middle[0] - da, middle[1] - db), (middle[0] + da, middle[1] + db)


def _numbers(groups: Sequence[str]) -> tuple[float, ...]:
    return tuple(float(number) for number in groups)


def _pairs(form: re.Pattern, text: str) -> list[Pair]:
    return [_numbers(pair.groups()) for pair in form.finditer(text)]


def _two(pairs: list[Pair]) -> tuple[Pair, Pair] | None:
    distinct = list(dict.fromkeys(pairs))
    return (
        (distinct[0], distinct[1]) if len(distinct) > 1 else (distinct[0], distinct[0]) if distinct else None
    )


_CANNOT = r"(?:can(?:no|')t|cannot|can not|am (?:not able|unable)|unable|won't|will not)"
_DEED = (
    r"(?:help|assist|provide|identify|locate|analy[sz]e|interpret|comply|diagnose|answer|process|view|see|give"
    r"|offer)"
)
_REFUSAL = re.compile(
    rf"\bI(?:'m| am) sorry\b|\bI {_CANNOT} (?:to )?{_DEED}\b|\bas an AI\b"
    r"|\bI(?:'m| am) (?:unable|not able) to\b|\bI must decline\b",
    re.IGNORECASE,
)


def refused(text: str) -> bool:
    """Whether `text`, which holds no answer, says that none will be given. The reasoning before it does not
    count.
    """
    return bool(_REFUSAL.search(text.rsplit(TAGS[1], 1)[-1].replace("’", "'")))


def in_our_format(pieces: Iterator[str], dialects: Sequence[str]) -> Iterator[str]:
    """The pieces of a model's output, followed by the answer they mean in the project's format, if they mean
    one and keep to another.

    Pieces pass as they come, up to an opening answer tag; what follows waits until the block closes, for it
    may have to be written anew (the tags then go round the translated answer, the model's own words stay as
    text). Without dialects everything passes.
    """
    if not dialects:
        yield from pieces
        return
    opening, closing = TAGS[2], TAGS[3]
    text, shown = "", 0
    for piece in pieces:
        text += piece
        start = text.find(opening)
        if start >= 0 and closing in text[start:]:
            break
        upto = start if start >= 0 else len(text) - _begun(text, opening)
        yield text[shown:upto]
        shown = upto
    rest, answer = text[shown:], translate(text, dialects)
    if answer is not None:
        yield f"{rest.replace(opening, '').replace(closing, '')}\n{answer}"
    elif rest:
        yield Closing(rest, piece.certainty) if isinstance(piece, Closing) else rest


def _begun(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    return next((n for n in range(len(tag) - 1, 0, -1) if text.endswith(tag[:n])), 0)

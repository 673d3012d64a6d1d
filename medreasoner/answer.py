"""The output format in both directions, whole texts: rendering an answer, and parsing what a model wrote.

    <think>…</think><answer>{"bbox": […], "points_1": […], "points_2": […]}</answer>

Tags and keys are those of the published system (arXiv 2508.08177), whose single-quoted dicts parse too. The
tags are found by `answer_blocks.py`, a text that still arrives is read by `answer_stream.py`. Numbers stay in
the model's own frame: `geometry.to_image` turns them into pixels, and `geometry.repair` says whether the box
makes sense in an image.
"""

import json
import math
import re
import unicodedata
from dataclasses import dataclass

from medreasoner.answer_blocks import ANSWER, THINK, find_blocks, visible_reasoning

KEYS = ("bbox", "points_1", "points_2")
LENGTHS = {"bbox": 4, "points_1": 2, "points_2": 2}


@dataclass(frozen=True)
class Answer:
    """Numbers exactly as the model wrote them, in its own frame: `bbox` (4,), two `points` (2,), and the
    reasoning before them.
    """

    bbox: tuple[float, float, float, float]
    points: tuple[tuple[float, float], tuple[float, float]]
    think: str | None = None


@dataclass(frozen=True)
class Absence:
    """The answer that names no place: the target is not in the image, or the message asks for none.

    All three keys are null.
    """

    think: str | None = None


@dataclass(frozen=True)
class Parsed:
    """What a text turned out to be: an `answer`, an absence (`absent` is True), or a failure with its
    `reason`; exactly one of the three.

    `reason` is one of "no answer block", "not closed", "not JSON", "missing key", "wrong shape",
    "not a number". `detail` is the sentence for a person; `met` names tolerated oddities: "single quotes",
    "code fence", "text around the object", "no think block", "several answer blocks", "text outside the
    blocks".
    """

    answer: Answer | None
    think: str | None
    reason: str | None = None
    detail: str | None = None
    met: tuple[str, ...] = ()
    absent: bool = False


def render(answer: Answer | Absence) -> str:
    """The text a model should write for `answer`; `parse` reads the same from it. Whole numbers are written
    without a decimal point.
    """
    if isinstance(answer, Absence):
        text = json.dumps(dict.fromkeys(KEYS))
    else:
        values = (answer.bbox, *answer.points)
        text = json.dumps({key: [_plain(v) for v in row] for key, row in zip(KEYS, values, strict=True)})
    head = "" if answer.think is None else f"{THINK[0]}{answer.think}{THINK[1]}"
    return f"{head}{ANSWER[0]}{text}{ANSWER[1]}"


def _plain(value: float) -> float | int:
    return int(value) if float(value).is_integer() else float(value)


EXAMPLE = render(
    Answer((120, 80, 310, 260), ((200, 150), (240, 200)), think="what you see, and why it is this place")
)

_FENCE = re.compile(r"^\s*+```[a-zA-Z]*+\s*+|(?<!\s)\s*+```\s*+$")
_COMMA = re.compile(r",\s*(?=[\]}])")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
MAX_BODY = 4000  # characters of an answer that are looked at; a true one has about 90


def parse(text: str) -> Parsed:
    """Read a whole model output. Never raises; a failure is a value with its reason."""
    read = find_blocks(text)
    think = None if read.reasoning is None else visible_reasoning(text[slice(*read.reasoning)]).strip()
    met = ["no think block"] if think is None else [] if read.closed else ["reasoning not closed"]
    if read.answer is None:
        if ANSWER[0] in text:
            why = "not closed", "The model began an answer but never closed it."
        else:
            why = "no answer block", "The model stopped without giving an answer block."
        return Parsed(None, think, *why, tuple(met))
    if read.blocks > 1:
        met.append("several answer blocks")
    if read.outside:
        met.append("text outside the blocks")
    return _parse_body(text[slice(*read.answer)], think, met)


def oddities(parsed: Parsed) -> tuple[str, ...]:
    """One sentence about what was unusual in the answer's form, () if nothing was."""
    odd = [oddity for oddity in parsed.met if oddity != "no think block"]
    return (f"The answer's form was off ({', '.join(odd)}); it could be read all the same.",) if odd else ()


class _Unreadable(ValueError):
    """(reason, sentence), see `Parsed`."""


def _parse_body(body: str, think: str | None, met: list[str]) -> Parsed:
    try:
        fields = _fields(body, met)
        if all(fields[key] is None for key in KEYS):
            return Parsed(None, think, met=tuple(met), absent=True)
        bbox, first, second = (_numbers(key, fields[key], met) for key in KEYS)
    except _Unreadable as why:
        return Parsed(None, think, *why.args, tuple(met))
    return Parsed(Answer(bbox, (first, second), think), think, met=tuple(dict.fromkeys(met)))


def _fields(body: str, met: list[str]) -> dict[str, object]:
    """The object in an answer's block, with all KEYS. Errors: _Unreadable."""
    if len(body) > MAX_BODY:
        raise _Unreadable(
            "not JSON", f"The answer is {len(body)} characters long; a box and two points need about 90."
        )
    bare = _FENCE.sub("", _FENCE.sub("", body))
    if bare.strip() != body.strip():
        met.append("code fence")
    start, end = bare.find("{"), bare.find("}")  # the object is flat: it ends at its first closing brace
    if start < 0 or end < start:
        raise _Unreadable("not JSON", f"The answer holds no object: {body.strip()[:80]!r}.")
    literal = bare[start : end + 1]
    if literal != bare.strip():
        met.append("text around the object")
    try:
        fields = json.loads(_plain_json(literal, met))
    except (ValueError, RecursionError) as error:
        raise _Unreadable("not JSON", f"The answer is not valid JSON ({error}).") from error
    missing = [key for key in KEYS if key not in fields]
    if missing:
        raise _Unreadable("missing key", f"The answer lacks {', '.join(missing)}.")
    return fields


def _plain_json(literal: str, met: list[str]) -> str:
    """An object as JSON has it: quotes doubled, no comma before a bracket, digits and brackets of other
    widths made plain.
    """
    plain = unicodedata.normalize("NFKC", literal)
    if plain != literal:
        met.append("full-width digits")
    if "'" in plain:
        met.append("single quotes")
        plain = plain.replace("'", '"')
    if _COMMA.search(plain):
        met.append("trailing comma")
        plain = _COMMA.sub("", plain)
    return plain


def _numbers(key: str, values: object, met: list[str]) -> tuple[float, ...]:
    """The numbers of the list `values` of `key`, also where they are written as text. Errors: _Unreadable."""
    if not isinstance(values, list) or len(values) != LENGTHS[key]:
        raise _Unreadable("wrong shape", f"{key} must be {LENGTHS[key]} numbers, got {str(values)[:60]}.")
    found = []
    for value in values:
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            met.append("numbers as text")
            value = float(value)
        if not _is_number(value):
            raise _Unreadable("not a number", f"{key} must hold finite numbers, got {str(values)[:60]}.")
        found.append(float(value))
    return tuple(found)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return -1e9 < value < 1e9 and math.isfinite(value)

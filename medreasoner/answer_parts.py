"""Where the parts of an answer stand in a text: its eight numbers, and what decides between a place and none.

For those who look at the tokens that wrote them (`reasoners/token_probabilities.py`).
"""

import re

from medreasoner.answer import KEYS, LENGTHS
from medreasoner.answer_blocks import find_blocks

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_LIST = re.compile(rf"""["'](?P<key>{"|".join(KEYS)})["']\s*:\s*\[(?P<numbers>[^\[\]]*)\]""")
_FIRST = rf"""["']{KEYS[0]}["']\s*:\s*"""
_FIRST_VALUE = re.compile(rf"{_FIRST}(?P<value>\[|null)")
# A token that opens the first value, alone or with (part of) what stands before it.
_BEFORE = rf"(?:\{{?\s*{_FIRST}|:\s*|\s*)"
_PLACE, _ABSENCE = re.compile(rf"{_BEFORE}\["), re.compile(rf"{_BEFORE}(?:null|nul$|nu$|n$)")


def coordinate_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Where in `text` the eight numbers stand that `answer.parse` reads from it: (start, end) in characters,
    the box first, then the points. () where they cannot be told, or are not eight."""
    body = _body(text)
    if body is None:
        return ()
    lists = {found["key"]: found.span("numbers") for found in _LIST.finditer(text, *body)}
    spans = [number.span() for key in KEYS if key in lists for number in NUMBER.finditer(text, *lists[key])]
    return tuple(spans) if len(spans) == sum(LENGTHS.values()) else ()


def decision_at(text: str) -> int | None:
    """Where in `text` the first value of the answer begins, a list or null, in characters; None where the
    answer holds neither."""
    body = _body(text)
    found = body and _FIRST_VALUE.search(text, *body)
    return found.start("value") if found else None


def opens_place(token: str) -> bool:
    """Whether a token with this text begins the list of the box."""
    return _PLACE.match(token) is not None


def opens_absence(token: str) -> bool:
    """Whether a token with this text begins the null that stands for no box."""
    return _ABSENCE.match(token) is not None


def _body(text: str) -> tuple[int, int] | None:
    """(start, end) of the answer's object; it is flat. None without one."""
    start, stop = find_blocks(text).answer or (0, 0)
    end = text.find("}", start, stop)
    return (start, end) if end >= 0 else None

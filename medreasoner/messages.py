"""Makes errors and values short enough to stand inside a sentence for a person."""

import textwrap

LONGEST_LINE = 200
LONGEST_VALUE = 60


def first_line(error: Exception) -> str:
    """The first line of an error's text, at most 200 characters, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], LONGEST_LINE, placeholder=" …").rstrip(".: ")


def short(value: object) -> str:
    """`value` as it stands in code, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"

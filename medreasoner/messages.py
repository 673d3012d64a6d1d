"""Makes errors and values short enough to stand inside a sentence for a person."""

import re

LONGEST_LINE = 200
LONGEST_VALUE = 60
# an absolute path of two parts or more; what follows a letter or a colon is a fraction or an address
PATH = re.compile(r"(?<![\w:/])(?:/[\w.@+-]++){2,}+/?+")


def first_line(error: Exception) -> str:
    """The first line of an error's text, at most 200 characters, without its full stop."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return cut(" ".join(lines[0].split())).rstrip(".: ")


def cut(text: str, longest: int = LONGEST_LINE) -> str:
    """`text`, at most `longest` characters of it; where more came, the last one is "…"."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def short(value: object) -> str:
    """`value` as it stands in code, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def without_paths(text: str) -> str:
    """`text` with the last part alone of each absolute path: who asks a server need not see its folders."""
    return PATH.sub(lambda found: found[0].rstrip("/").rsplit("/", 1)[1], text)

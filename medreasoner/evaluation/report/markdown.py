"""Texts of strangers inside Markdown: ids, questions and names of a set are words there, never markup."""

import re

# what begins HTML, an entity, code, a link or a picture, or ends a cell of a table
MARKUP = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "`": "&#96;", "[": "&#91;", "]": "&#93;", "|": "&#124;"}
_BLANKS = re.compile(r"\s++")


def as_words(value: object) -> object:
    """A text on one line without markup; what is no text is returned as it is."""
    if not isinstance(value, str):
        return value
    return _BLANKS.sub(" ", value).translate(str.maketrans(MARKUP))

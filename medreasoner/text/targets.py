"""Which target a reasoning names: the headline of an answer says it in the model's own words."""

import re
from functools import cache

from medreasoner.data.taxonomy import categories, named

_SENTENCE = re.compile(r"[^.!?]+")
_NAMING = re.compile(
    r"(?:describes|is meant is|asked for is|points to|suggests|consistent with)\s+(?:an?|the)\s+"
    r"([a-z][\w-]*(?: [\w-]+){0,3}?)(?= (?:in|on|at|that|which|with|of)\b|[,;.]|$)",
    re.IGNORECASE,
)


def named_target(think: str) -> str | None:
    """The target that the reasoning names, as it writes it ("left kidney"); None if it names none.

    It is the last of the taxonomy's names in the first sentence that has one, for such a sentence leads to
    its target ("Food passes from the oesophagus into the stomach."). Without one, what a sentence like "That
    describes a ..." ends with.
    """
    for sentence in _SENTENCE.findall(think):
        found = [match[0] for match in _names().finditer(sentence)]
        if found:
            return found[-1]
    naming = _NAMING.search(think)
    return naming[1] if naming else None


@cache
def _names() -> re.Pattern:
    names = sorted({*categories(), *named()}, key=len, reverse=True)
    return re.compile(rf"\b(?:(?:left|right) )?(?:{'|'.join(map(re.escape, names))})\b", re.IGNORECASE)

"""Which kind of image a reasoning says it looks at."""

import re
from functools import cache

from medreasoner.data.taxonomy import modalities, modality_of

SHORTEST = 5  # letters of a name in lower case; "us", "op" and "mr" mean other things too


def named_modality(think: str) -> str | None:
    """The modality that the reasoning names first, in the taxonomy's words ("computed tomography" is CT);
    None if it names none. Abbreviations count in capitals."""
    found = _names().search(think)
    return modality_of(found[0]) if found else None


@cache
def _names() -> re.Pattern:
    names = {name for term in modalities().values() for name in (term.name, *term.synonyms)}
    spelled = [
        re.escape(name) if name.isupper() and len(name) < SHORTEST else f"(?i:{re.escape(name)})"
        for name in sorted(names, key=len, reverse=True)
        if len(name) > 2 or name in ("CT", "MR")
    ]
    return re.compile(rf"\b(?:{'|'.join(spelled)})\b")

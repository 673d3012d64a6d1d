"""The Hub's names of licences, from how sources write them."""

import re

# What only begins like one of these counts; what stands in brackets behind it does not.
_NAMES = (
    (r"CC0|CC-0", "cc0-1.0"),
    (r"CC[ -]BY[ -]NC[ -]SA[ -](\d\.\d)", r"cc-by-nc-sa-\1"),
    (r"CC[ -]BY[ -]NC[ -]ND[ -](\d\.\d)", r"cc-by-nc-nd-\1"),
    (r"CC[ -]BY[ -]NC[ -](\d\.\d)", r"cc-by-nc-\1"),
    (r"CC[ -]BY[ -]SA[ -](\d\.\d)", r"cc-by-sa-\1"),
    (r"CC[ -]BY[ -](\d\.\d)", r"cc-by-\1"),
    (r"Apache[ -]2\.0", "apache-2.0"),
    (r"MIT\b", "mit"),
)
_UNSURE = re.compile(r"from memory|reported|unknown|not confirmed", re.IGNORECASE)


def licence_id(text: str) -> str | None:
    """The Hub's name of the licence that `text` begins with.

    None if it is none that is known here, or if the text itself says that it is not sure.
    """
    if _UNSURE.search(text):
        return None
    for pattern, name in _NAMES:
        if found := re.match(pattern, text, re.IGNORECASE):
            return found.expand(name)
    return None

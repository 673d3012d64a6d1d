"""Words for where a box lies and how big it is, and whether a text's words are true of a box.

The offline writer describes what it measured in these words, and the claims of a reasoning are checked with
them against its own answer. Sides are sides of the image as displayed, never of the patient.
"""

import re

from medreasoner.geometry import Box

SIDES = ("left", "centre", "right")
HEIGHTS = ("upper", "middle", "lower")
SIZES = ("tiny", "small", "mid-sized", "large")
SIZE_LIMITS = (0.01, 0.06, 0.25)  # box area as a share of the image: below the first is tiny, …
SIZE_TOLERANCE = 1.3  # ratio: a share of the image this near to a limit may go by either word
TOLERANCE = 0.05  # of a side: a claim this near to a border is not held against the answer


def place_words(box: Box, image_wh: tuple[int, int]) -> tuple[str, str]:
    """(side, height) of the box's centre on a three by three grid of the image."""
    cx, cy = (box[0] + box[2]) / 2 / image_wh[0], (box[1] + box[3]) / 2 / image_wh[1]
    return SIDES[_third(cx)], HEIGHTS[_third(cy)]


def size_word(box: Box, image_wh: tuple[int, int]) -> str:
    """One of SIZES, by the share of the image that the box covers."""
    share = (box[2] - box[0]) * (box[3] - box[1]) / (image_wh[0] * image_wh[1])
    return SIZES[sum(share >= limit for limit in SIZE_LIMITS)]


def place_phrase(side: str, height: str) -> str:
    """The grid cell as it is said: "in the upper left", "at the centre", "at mid-height on the right"…"""
    if side == "centre":
        return {"upper": "in the upper centre", "middle": "at the centre", "lower": "in the lower centre"}[
            height
        ]
    return {
        "upper": f"in the upper {side}",
        "middle": f"at mid-height on the {side}",
        "lower": f"in the lower {side}",
    }[height]


_PLACE_PATTERNS = [
    (re.compile(r"\bin the (upper|lower) (left|centre|right)\b"), lambda m: (m[2], m[1])),
    (re.compile(r"\bat mid-height on the (left|right)\b"), lambda m: (m[1], "middle")),
    (re.compile(r"\bat the centre\b"), lambda m: ("centre", "middle")),
]
_SENTENCE = re.compile(r"[^.!?]*[.!?]?")
_SIZE = re.compile(r"\b(tiny|small|mid-sized|large)\b")


def claimed_place(text: str) -> tuple[str, str] | None:
    """The first (side, height) that `text` claims in the words of `place_phrase`; None if it claims none."""
    found = [
        (match.start(), read(match)) for pattern, read in _PLACE_PATTERNS if (match := pattern.search(text))
    ]
    return min(found)[1] if found else None


def claimed_size(text: str) -> str | None:
    """The size word in the first sentence that also names a place; elsewhere such words may mean anything."""
    for sentence in _SENTENCE.findall(text):
        if claimed_place(sentence) is not None:
            found = _SIZE.search(sentence)
            return found[1] if found else None
    return None


def place_agrees(text: str, box: Box, image_wh: tuple[int, int]) -> bool | None:
    """Whether the place that `text` claims holds the centre of `box`, within TOLERANCE of a side.

    Returns: None if it claims none.
    """
    claimed = claimed_place(text)
    if claimed is None:
        return None
    centre = (box[0] + box[2]) / 2 / image_wh[0], (box[1] + box[3]) / 2 / image_wh[1]
    wanted = SIDES.index(claimed[0]), HEIGHTS.index(claimed[1])
    return all(w / 3 - TOLERANCE <= c <= (w + 1) / 3 + TOLERANCE for w, c in zip(wanted, centre, strict=True))


def size_agrees(text: str, box: Box, image_wh: tuple[int, int]) -> bool | None:
    """Whether `box` is as big as `text` claims, within SIZE_TOLERANCE; None if it claims no size."""
    claimed = claimed_size(text)
    if claimed is None:
        return None
    share = (box[2] - box[0]) * (box[3] - box[1]) / (image_wh[0] * image_wh[1])
    limits = (0.0, *SIZE_LIMITS, 1.0)
    low, high = limits[SIZES.index(claimed)], limits[SIZES.index(claimed) + 1]
    return low / SIZE_TOLERANCE <= share <= high * SIZE_TOLERANCE


def _third(value: float) -> int:
    return min(2, max(0, int(value * 3)))

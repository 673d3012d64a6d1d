"""Automatic checks of one sample: what would make it wrong whatever its writer meant.

Checked are the leak of the target's name, claims of side, place and size against the mask, box and points
against the mask, and questions that could not be told apart. Style, medicine, and whether the mask is right,
are judged by people in the review.

Duplicates: a question is one of those asked before in the same image, letter case and punctuation aside;
nobody could tell which target it means. The same wording about another image is no duplicate: the answer is
another.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from medreasoner.data.build.writers.base import Words
from medreasoner.data.category import Category
from medreasoner.geometry import mask_to_box
from medreasoner.text.places import TOLERANCE, place_agrees, size_agrees

LEAK = "question names the target"
PLACE = "words contradict the mask: place"
SIDE = "words contradict the mask: side"
SIZE = "words contradict the mask: size"
LOOSE = "box not tight"
OUTSIDE = "point outside the mask"
AGAIN = "question asked before in this image"
EMPTY = "no words"
TAGS = "words hold a tag of the answer format"

_TAG = re.compile(r"</?(?:think|answer)\b", re.IGNORECASE)
_PART = r"(?:side|half|part|portion|quadrant|corner|third|edge|border|margin|area|region)"
_WHOLE = r"(?:image|picture|film|photograph|scan|slice|frame|screen|radiograph|x-ray|view)"
_OF_IMAGE = re.compile(
    rf"\b(?:(upper|top|lower|bottom)[ -])?(left|right)(?:[ -]hand)?(?: {_PART})? (?:of|on|in) (?:the|this) {_WHOLE}\b"  # noqa: E501
)
_IMAGES = re.compile(rf"\b(?:{_WHOLE}|viewer)[’']s (?:(upper|lower)[ -])?(left|right)\b")


@dataclass(frozen=True)
class Problem:
    """`reason` is one of the constants here; `detail` what came."""

    reason: str
    detail: str


def problems(
    words: Words, target: dict, category: Category, mask: np.ndarray, asked: set[str]
) -> list[Problem]:
    """Everything that is wrong with one sample.

    Args:
        target: `name`, `box`, `points` in pixels of the image. mask: (H, W) bool. asked: `plain` forms of the
            image's earlier questions.
    """
    box, size = tuple(target["box"]), (mask.shape[1], mask.shape[0])
    found = [*_of_geometry(target, mask), *problems_of_absence(words, asked)]
    if word := category.leaks(words.question):
        found.append(Problem(LEAK, word))
    for text in (words.question, words.think):
        if place_agrees(text, box, size) is False:
            found.append(Problem(PLACE, text))
        if size_agrees(text, box, size) is False:
            found.append(Problem(SIZE, text))
        if claim := wrong_side(text, box, size):
            found.append(Problem(SIDE, claim))
    return found


def problems_of_absence(words: Words, asked: set[str]) -> list[Problem]:
    """What is wrong with the words of any sample, also of one about what its image does not show: there is no
    mask to hold them against, and such a question may name what it asks for."""
    found = []
    for text in (words.question, words.think):
        if not text.strip():
            found.append(Problem(EMPTY, repr(text)))
        if tag := _TAG.search(text):
            found.append(Problem(TAGS, tag[0]))
    if plain(words.question) in asked:
        found.append(Problem(AGAIN, words.question))
    return found


def _of_geometry(target: dict, mask: np.ndarray) -> Iterator[Problem]:
    box = tuple(target["box"])
    if not mask.any() or box != mask_to_box(mask):
        yield Problem(
            LOOSE, f"{list(box)} for a mask of {list(mask_to_box(mask)) if mask.any() else 'no pixel'}"
        )
    for x, y in target["points"]:
        if not (0 <= x < mask.shape[1] and 0 <= y < mask.shape[0] and mask[int(y), int(x)]):
            yield Problem(OUTSIDE, f"{[x, y]}")


def plain(question: str) -> str:
    """A question without letter case and punctuation, by which two are the same."""
    return " ".join(re.findall(r"\w+", question.lower()))


def wrong_side(text: str, box: tuple[float, float, float, float], image_wh: tuple[int, int]) -> str | None:
    """The first claim of a half of the image ("right side of the image", "the picture's left") that the box's
    centre is not in, or None.

    A centre within TOLERANCE of the middle is in both halves. "The left lung" is no such claim: sides of the
    patient are not of the image.
    """
    x, y = (box[0] + box[2]) / 2 / image_wh[0], (box[1] + box[3]) / 2 / image_wh[1]
    for pattern in (_OF_IMAGE, _IMAGES):
        for claim in pattern.finditer(text.lower()):
            level, side = claim.groups()
            across = x if side == "left" else 1 - x
            down = {"upper": y, "top": y, "lower": 1 - y, "bottom": 1 - y, None: 0}[level]
            if max(across, down) > 0.5 + TOLERANCE:
                return claim[0]
    return None

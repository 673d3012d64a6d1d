"""Reasonings of the offline writer: whole English sentences, each either knowledge of its category or a
measured fact of the image.

A reasoning says what is asked for and names the target, how it looks or where it lies, which neighbours it
has in this image, what was measured, and what else it could be: 35 to 80 words.
"""

import random

from medreasoner.data.build.measuring import Measured
from medreasoner.data.category import Category
from medreasoner.text.places import place_phrase

FEWEST, MOST = 35, 80  # words

_SEEN = (
    "I see it {place} of the image: {size}, {shape} and {bright} its surroundings.",
    "The best match lies {place} of the image; it is {size}, {shape} and {bright} what is around it.",
    "It shows {place} of the image, {size} and {shape}, {bright} the tissue beside it.",
    "In this image it lies {place}; it is {size}, {shape}, and {bright} its surroundings.",
    "Here I find it {place} of the image, {size} and {shape}, with an {margin} margin.",
    "The region {place} of the image fits: it is {size}, {shape} and {bright} what borders it.",
    "What fits lies {place} of the image, is {size} and {shape}, and has an {margin} margin.",
    "I mark the {size} area {place} of the image, which is {shape} and {bright} the area around it.",
)
_BESIDE_ONE = (
    "In this image it lies {first}.",
    "Here it lies {first}.",
    "Its place here is {first}.",
    "On this picture I find it {first}.",
)
_BESIDE_TWO = (
    "In this image it lies {first} and {second}.",
    "Here it lies {first} and {second}.",
    "Among its neighbours it lies {first} and {second}.",
    "I find it {first}, and also {second}.",
)
_OWN_SIDE = (
    "The patient's {side} is on the image's {image_side}.",
    "On this image the patient's {side} lies on the {image_side}.",
)


def reasoning(
    category: Category,
    measured: Measured,
    rng: random.Random,
    side: str = "",
    image_side: str = "",
    choices: int | None = None,
) -> str:
    """The chain of thought for one target.

    A sentence of the table that speaks of a side which is not known is never drawn. What does not fit into
    MOST words is left out, the least needed first; what was measured always stays.

    Args:
        side: of the patient. image_side: of the image. Each "left", "right" or "" where it is not known.
        choices: sentences of each kind that one is drawn from, the first ones of each list; None for all. The
            reasoning then opens by naming the target, for a small model learns few sentences well, and its
            first word should not be decided by how many ways there are to go on.
    """

    def known(kind: str) -> list[str]:
        """The sentences of a field that can be said, in random order."""
        usable = category.sentences(kind, side, image_side)[:choices]
        return rng.sample(usable, len(usable))

    meaning = known("meaning") or [f"What is asked for is {category.with_article(side)}."]
    appearance, location, alternatives = map(known, ("appearance", "location", "alternatives"))
    first, second = rng.sample([appearance, location], 2)
    own_side = ""
    if side and image_side:
        own_side = rng.choice(_OWN_SIDE[:choices]).format(side=side, image_side=image_side)
    parts = {
        "name": "" if choices is None else named(category.with_article(side)),
        "meaning": meaning[0],
        "knowledge": next(iter(first), ""),
        "more": "",
        "own side": own_side,
        "neighbours": beside(measured, rng, choices),
        "seen": seen(measured, rng, choices),
        "alternative": next(iter(alternatives), ""),
    }
    for spare in (*second, *first[1:]):
        if _words(parts) >= FEWEST:
            break
        parts["more"] = f"{parts['more']} {spare}".strip()
    for name in ("alternative", "knowledge", "own side", "neighbours"):
        if _words(parts) > MOST:
            parts[name] = ""
    return " ".join(filter(None, parts.values()))


def named(target: str) -> str:
    """The sentence that says which target, named with its article, the question is about."""
    return f"The question describes {target}."


def seen(measured: Measured, rng: random.Random, choices: int | None = None) -> str:
    """The sentence that says place, size, shape, and brightness or margin."""
    place = place_phrase(measured.side, measured.height)
    words = {
        "size": measured.size,
        "shape": measured.shape,
        "bright": measured.brightness,
        "margin": measured.margin,
    }
    return rng.choice(_SEEN[:choices]).format(place=place, **words)


def beside(measured: Measured, rng: random.Random, choices: int | None = None) -> str:
    """The sentence about its neighbours, "" where none was measured."""
    phrases = [f"{relation} {name}" for relation, name in measured.neighbours]
    if not phrases:
        return ""
    if any(side in phrases[-1] for side in (" left of ", " right of ")):
        phrases[-1] += " as displayed"
    elif any(side in phrases[0] for side in (" left of ", " right of ")):
        phrases[0] += " as displayed"
    first, second = phrases[0], phrases[-1]
    forms = _BESIDE_ONE if len(phrases) == 1 else _BESIDE_TWO
    return rng.choice(forms[:choices]).format(first=first, second=second)


def _words(parts: dict[str, str]) -> int:
    return sum(len(part.split()) for part in parts.values())

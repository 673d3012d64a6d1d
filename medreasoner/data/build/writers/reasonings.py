"""Reasonings of the offline writer: whole English sentences, each either knowledge of its category or a
measured fact of the image.

A reasoning says what is asked for and names the target, how it looks or where it lies, which neighbours it
has in this image, what was measured, and what else it could be: 35 to 80 words.
"""

import random
import re
from collections.abc import Sequence

from medreasoner.data.build.measuring import Measured
from medreasoner.data.category import Category
from medreasoner.text.places import place_phrase

FEWEST, MOST = 35, 80  # words
_PLACEHOLDER = re.compile(r"\{(\w+)\}")

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
    category: Category, measured: Measured, rng: random.Random, side: str = "", image_side: str = ""
) -> str:
    """The chain of thought for one target.

    A sentence of the table that speaks of a side which is not known is never drawn. What does not fit into
    MOST words is left out, the least needed first; what was measured always stays.

    Args:
        side: of the patient. image_side: of the image. Each "left", "right" or "" where it is not known.
    """
    fill = {"name": category.called(side), "side": side, "image_side": image_side}
    fill["other_side"] = {"left": "right", "right": "left"}.get(side, "")

    def known(sentences: Sequence[str]) -> list[str]:
        """The sentences that can be said, in random order."""
        usable = [text for text in sentences if all(fill[name] for name in _PLACEHOLDER.findall(text))]
        return [text.format(**fill) for text in rng.sample(usable, len(usable))]

    meaning = known(category.meaning) or [f"What is asked for is {category.with_article(side)}."]
    appearance, location, alternatives = map(
        known, (category.appearance, category.location, category.alternatives)
    )
    first, second = rng.sample([appearance, location], 2)
    own_side = rng.choice(_OWN_SIDE).format(**fill) if side and image_side else ""
    parts = {
        "meaning": meaning[0],
        "knowledge": next(iter(first), ""),
        "more": "",
        "own side": own_side,
        "neighbours": beside(measured, rng),
        "seen": seen(measured, rng),
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


def seen(measured: Measured, rng: random.Random) -> str:
    """The sentence that says place, size, shape, and brightness or margin."""
    place = place_phrase(measured.side, measured.height)
    words = {
        "size": measured.size,
        "shape": measured.shape,
        "bright": measured.brightness,
        "margin": measured.margin,
    }
    return rng.choice(_SEEN).format(place=place, **words)


def beside(measured: Measured, rng: random.Random) -> str:
    """The sentence about its neighbours, "" where none was measured."""
    phrases = [f"{relation} {name}" for relation, name in measured.neighbours]
    if not phrases:
        return ""
    if any(side in phrases[-1] for side in (" left of ", " right of ")):
        phrases[-1] += " as displayed"
    elif any(side in phrases[0] for side in (" left of ", " right of ")):
        phrases[0] += " as displayed"
    first, second = phrases[0], phrases[-1]
    return rng.choice(_BESIDE_ONE if len(phrases) == 1 else _BESIDE_TWO).format(first=first, second=second)


def _words(parts: dict[str, str]) -> int:
    return sum(len(part.split()) for part in parts.values())

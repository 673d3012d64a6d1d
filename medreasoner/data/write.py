"""The offline writer: from a target's mask to an implicit question and a reasoning that is true of the image.

Is: measurement (place, size, shape, brightness against the surroundings) put into words, with what the category table knows.
Is not: a language model. It says only what it measured, so it never contradicts the mask.
"""

import random
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from medreasoner.data.taxonomy import Category
from medreasoner.geometry import Box
from medreasoner.place import place_phrase, place_words, size_word

CONTRAST = 0.06  # of the grey range: a smaller difference in mean brightness is called "about as bright"
SHAPES = ("wider than tall", "taller than wide", "about as wide as tall")
BRIGHTNESS = ("brighter than", "darker than", "about as bright as")
ELONGATED = 1.35  # ratio of the box's sides from which it is called wider or taller


@dataclass(frozen=True)
class Measured:
    """Facts of one target in one image, each as a word or phrase of `place.py` or below."""

    side: str
    height: str
    size: str
    shape: str
    brightness: str


def measure(grey: np.ndarray, mask: np.ndarray, box: Box) -> Measured:
    """Measure a target. `grey` (H, W) 0..255, `mask` (H, W) bool, `box` xyxy in the same pixels."""
    height, width = mask.shape
    side, level = place_words(box, (width, height))
    ratio = (box[2] - box[0]) / (box[3] - box[1])
    shape = SHAPES[0] if ratio > ELONGATED else SHAPES[1] if ratio < 1 / ELONGATED else SHAPES[2]
    return Measured(side, level, size_word(box, (width, height)), shape, _brightness(grey, mask, box))


def _brightness(grey: np.ndarray, mask: np.ndarray, box: Box) -> str:
    reach = max(3, int(0.25 * max(box[2] - box[0], box[3] - box[1])))
    y1, y2 = max(0, int(box[1]) - reach), int(box[3]) + reach
    x1, x2 = max(0, int(box[0]) - reach), int(box[2]) + reach
    inside, values = mask[y1:y2, x1:x2], grey[y1:y2, x1:x2]
    ring = (ndimage.distance_transform_edt(~inside) <= reach) & ~inside
    if not ring.any():
        return BRIGHTNESS[2]
    difference = (values[inside].mean() - values[ring].mean()) / 255
    return BRIGHTNESS[0] if difference > CONTRAST else BRIGHTNESS[1] if difference < -CONTRAST else BRIGHTNESS[2]


_OPENINGS = [
    "This points to {a} {name}.",
    "The question is about {a} {name}.",
    "What is meant is {a} {name}.",
    "That describes {a} {name}.",
]
_SEEN = [
    "I see it {place} of the image: {size}, {shape} and {bright} its surroundings.",
    "The best match lies {place} of the image; it is {size}, {shape} and {bright} what is around it.",
    "It shows {place} of the image, {size}, {shape}, {bright} the tissue beside it.",
]


def reasoning(category: Category, measured: Measured, rng: random.Random) -> str:
    """A chain of thought of three sentences: what is asked, what to look for or why it matters, what was measured."""
    article = "an" if category.name[0] in "aeiou" else "a"
    opening = rng.choice(_OPENINGS).format(a=article, name=category.name)
    knowledge = rng.choice([f"I look for {rng.choice(category.look)}.", f"It is expected {rng.choice(category.place)}."])
    seen = rng.choice(_SEEN).format(
        place=place_phrase(measured.side, measured.height), size=measured.size, shape=measured.shape, bright=measured.brightness
    )
    return f"{opening} {knowledge} {seen}"


_LEADS = [
    "",
    "",
    "",
    "",
    "",
    "Please help: ",
    "On this image, ",
    "Looking at this: ",
    "Doctor asks: ",
    "Quick question, ",
    "For the report, ",
]
_TAILS = ["", "", "", "", "", " Mark it.", " Show me.", " Please outline it.", " Where is it?", " Thank you."]


def vary(question: str, rng: random.Random) -> str:
    """The same question as another hand would type it: a lead or tail, lower case, lost punctuation, a word left out. Training only."""
    lead = rng.choice(_LEADS)
    if lead:
        question = lead + question[0].lower() + question[1:]
    words = question.split(" ")
    if len(words) > 6 and rng.random() < 0.25:
        del words[rng.randrange(len(words))]
    question = " ".join(words)
    if rng.random() < 0.2:
        question = question.rstrip("?.! ")
    else:
        question += rng.choice(_TAILS)
    return question.lower() if rng.random() < 0.2 else question

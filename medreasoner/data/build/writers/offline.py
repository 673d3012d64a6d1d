"""The offline writer: from a target's mask to an implicit question and a reasoning that is true of the image.

Is: measurement (place, size, shape, brightness against the surroundings and, for descriptions, against the other side) put into words, with
what the category table knows.
Is not: a language model. It says only what it measured, so it never contradicts the mask.
"""

import random
import re
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from medreasoner.data.build.writers.base import Description, Format, Picture, Words, WriterError
from medreasoner.data.taxonomy import Category, Supercategory
from medreasoner.geometry import Box
from medreasoner.text.places import place_phrase, place_words, size_word

CONTRAST = 0.06  # of the grey range: a smaller difference in mean brightness is called "about as bright"
SHAPES = ("wider than tall", "taller than wide", "about as wide as tall")
BRIGHTNESS = ("brighter than", "darker than", "about as bright as")
ELONGATED = 1.35  # ratio of the box's sides from which it is called wider or taller
SYMMETRIC = 0.75  # correlation of a picture with its mirror image from which "the other side" means something


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
    return _compared(values[inside].mean() - values[ring].mean())


def _compared(difference: float) -> str:
    """The word for a difference of mean brightness, in grey levels of 255."""
    difference /= 255
    return BRIGHTNESS[0] if difference > CONTRAST else BRIGHTNESS[1] if difference < -CONTRAST else BRIGHTNESS[2]


def against_other_side(grey: np.ndarray, mask: np.ndarray) -> str | None:
    """How bright the target is against the same place mirrored left to right, as one of BRIGHTNESS; None where that says nothing.

    It says nothing when the picture is not like its own mirror image (correlation of 32 x 32 means under SYMMETRIC), or when the target
    lies across the middle. `grey` (H, W) 0..255, `mask` (H, W) bool.
    """
    mirrored = mask[:, ::-1]
    if (mask & mirrored).sum() > 0.05 * mask.sum():
        return None
    means = np.asarray(Image.fromarray(grey).resize((32, 32), Image.Resampling.BOX), np.float64)
    if not means.std() or np.corrcoef(means.ravel(), means[:, ::-1].ravel())[0, 1] < SYMMETRIC:
        return None
    return _compared(grey[mask].mean() - grey[mirrored].mean())


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


def article(name: str) -> str:
    """The article before `name` as it is spoken: "an aorta", "an L5 vertebra", "a T12 vertebra"."""
    return "an" if re.match(r"[aeiou]|[AEFHILMNORSX][^a-z]", name) else "a"


def reasoning(category: Category, measured: Measured, rng: random.Random) -> str:
    """A chain of thought of three sentences: what is asked, what to look for or why it matters, what was measured."""
    opening = rng.choice(_OPENINGS).format(a=article(category.name), name=category.name)
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


_SMALL = frozenset("a an the of in on at to for by is are that this which it its please".split())


def vary(question: str, rng: random.Random) -> str:
    """The same question as another hand would type it: a lead or tail, lower case, lost punctuation, a small word lost. Training only."""
    lead = rng.choice(_LEADS)
    if lead:
        question = lead + question[0].lower() + question[1:]
    words = question.split(" ")
    small = [number for number, word in enumerate(words) if word.lower() in _SMALL]
    if len(words) > 6 and small and rng.random() < 0.25:
        del words[rng.choice(small)]
    question = " ".join(words)
    if rng.random() < 0.2:
        question = question.rstrip("?.! ")
    else:
        tail = rng.choice(_TAILS)
        if not re.search(rf"\b{tail.split()[0].lower()}\b" if tail else "^", question.lower()):
            question += tail  # nobody asks "Where is it?" twice
    return question.lower() if rng.random() < 0.2 else question


class Offline:
    """The offline writer as the stages call it (`writer.Writer`)."""

    name = "offline"
    tries = 1

    def describe(self, picture: Picture) -> Description:
        """What was measured of every target: where in one sentence, everything at length."""
        kind, targets = picture.line["modality"], picture.line["targets"]
        places = [f"{_called(target)} {_place(target)}" for target in targets]
        return Description(f"{kind} image: {'; '.join(places)}.", " ".join([f"This is one {kind} image.", *map(_at_length, targets)]))

    def format(self, supercategory: Supercategory) -> Format:
        """The taxonomy's own."""
        return Format(supercategory.question, supercategory.think)

    def ask(
        self, picture: Picture, target: dict, category: Category, description: Description, form: Format, seed: str, refused: list[str]
    ) -> Words:
        if not category.questions:
            raise WriterError(f"no wordings for {category.name} in {category.modality} images")
        rng = random.Random(seed)
        training = picture.line["split"] == "train"
        question = rng.choice(category.questions if training else category.held_out).replace("{side}", target["side"])
        question = vary(question, rng) if training else question
        return Words(question, reasoning(category, Measured(**target["measured"]), rng))


def _called(target: dict) -> str:
    return f"{target['name']}, {target['side']} of the image," if target["side"] else target["name"]


def _place(target: dict) -> str:
    return place_phrase(target["measured"]["side"], target["measured"]["height"])


def _at_length(target: dict) -> str:
    seen = target["measured"]
    look = f"{seen['size']}, {seen['shape']} and {seen['brightness']} its surroundings"
    text = f"The {_called(target)} lies {_place(target)} of the image: {look}."
    if target["other_side"]:
        text += f" It is {target['other_side']} the same place on the other side of the picture."
    return text

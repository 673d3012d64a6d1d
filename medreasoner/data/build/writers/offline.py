"""The offline writer: an implicit question from the category table, and a reasoning that is true of the
image.

It uses no language model: it says what was measured (`build/measuring.py`) and what the table knows, so it
never contradicts the mask.
"""

import random
import re

from medreasoner.data.build.measuring import Measured
from medreasoner.data.build.writers.base import Description, Format, Picture, Words, WriterError
from medreasoner.data.build.writers.reasonings import reasoning
from medreasoner.data.category import Category, Supercategory
from medreasoner.text.places import place_phrase

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
    """The same question as another hand would type it: a lead or tail, lower case, lost punctuation, a small
    word lost. Training only.
    """
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


def wording(
    category: Category, wordings: list[str], rng: random.Random, side: str = "", image_side: str = ""
) -> str:
    """One of `wordings`, its sides filled in; those that name a side that is not known are passed over."""
    known = {"{side}": side, "{image_side}": image_side}
    usable = [text for text in wordings if all(value or name not in text for name, value in known.items())]
    if not usable:
        raise WriterError(f"no wording for {category.name} where its side is not known")
    return rng.choice(usable).replace("{side}", side).replace("{image_side}", image_side)


class Offline:
    """The offline writer as the stages call it (`writer.Writer`)."""

    name = "offline"
    tries = 1

    def describe(self, picture: Picture) -> Description:
        """What was measured of every target: where in one sentence, everything at length."""
        kind, targets = picture.line["modality"], picture.line["targets"]
        places = [f"{_called(target)} {_place(target)}" for target in targets]
        return Description(
            f"{kind} image: {'; '.join(places)}.",
            " ".join([f"This is one {kind} image.", *map(_at_length, targets)]),
        )

    def format(self, supercategory: Supercategory) -> Format:
        """The taxonomy's own."""
        return Format(supercategory.question, supercategory.think)

    def ask(
        self,
        picture: Picture,
        target: dict,
        category: Category,
        description: Description,
        form: Format,
        seed: str,
        refused: list[str],
    ) -> Words:
        if not category.questions:
            raise WriterError(f"no wordings for {category.name} in {category.modality} images")
        rng = random.Random(seed)
        training = picture.line["split"] == "train"
        question = wording(
            category,
            category.questions if training else category.held_out,
            rng,
            target["side"],
            target["image_side"],
        )
        question = vary(question, rng) if training else question
        measured = Measured(**target["measured"])
        return Words(question, reasoning(category, measured, rng, target["side"], target["image_side"]))


def _called(target: dict) -> str:
    return target["called"]


def _place(target: dict) -> str:
    return place_phrase(target["measured"]["side"], target["measured"]["height"])


def _at_length(target: dict) -> str:
    seen = target["measured"]
    look = f"{seen['size']}, {seen['shape']} and {seen['brightness']} its surroundings"
    text = f"The {_called(target)} lies {_place(target)} of the image: {look}."
    if target["other_side"]:
        text += f" It is {target['other_side']} the same place on the other side of the picture."
    return text

"""Questions about an image that it answers and that it does not, for the presence head."""

import random
from dataclasses import dataclass

from medreasoner.data.absence import (
    CANNOT_SHOW,
    NO_QUESTION,
    NOT_HERE,
    NOT_MEDICAL,
    cannot_show,
    message,
    not_here,
)
from medreasoner.data.build.writers.offline import vary, wording
from medreasoner.data.category import Category
from medreasoner.data.taxonomy import categories
from train.embedded.pictures import Picture
from train.holdout import is_chosen

SHOWN = "shown"
MESSAGES = 0.25  # of what is not there, as in `absent_question`
NEAR = 1 / 3  # of the others, where there are any


@dataclass(frozen=True)
class Asked:
    """A question about one image. `kind` is SHOWN or one of `absence.py`'s; `think` whether a reasoning is
    asked for."""

    question: str
    kind: str
    think: bool


def questions(
    picture: Picture, held: bool, rng: random.Random, shown: int = 4, absent: int = 7
) -> list[Asked]:
    """Questions about a picture, in wordings to train on, or in `held` back ones.

    Args:
        shown: how many ask for its targets (each of more targets once, up to six). absent: how many do not.
    """
    targets = rng.sample(picture.targets, len(picture.targets))[:6]
    targets = (targets * shown)[: max(shown, len(targets))]
    asked = []
    for target in targets:
        category = target.category
        texts = category.held_back if held else category.questions
        text = wording(category, texts, rng, target.side, target.image_side)
        asked.append((vary(text, rng), SHOWN))
    asked += [_absent(picture, held, rng) for _ in range(absent)]
    return [Asked(question, kind, rng.random() < 0.5) for question, kind in asked]


def _absent(picture: Picture, held: bool, rng: random.Random) -> tuple[str, str]:
    scene, table = picture.scene, categories()
    missing, impossible = not_here(scene, picture.classes, table), cannot_show(scene, table)
    if rng.random() < MESSAGES or not (missing or impossible):
        while is_chosen(text := message(True, rng).question, one_in=5) != held:
            pass  # a fifth of the messages is held back
        return vary(text, rng), NO_QUESTION
    near = missing and (not impossible or rng.random() < NEAR)
    category: Category = rng.choice(missing if near else impossible)
    side = rng.choice(("left", "right")) if category.region == "sides" else ""
    texts = category.held_back if held else category.questions
    text = rng.choice([each for each in texts if "{image_side}" not in each] or texts)
    text = text.replace("{side}", side).replace("{image_side}", side)
    return vary(text, rng), NOT_HERE if near else CANNOT_SHOW if scene.medical else NOT_MEDICAL

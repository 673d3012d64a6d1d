"""Conversations of the embedded VLM's SFT: a question about a target or about what is not there, and its
answer, worded as at inference.

Besides the text a conversation carries what the dense losses (`train/embedded/losses.py`) need: the box, and
where the target lies on the image-token grid.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

from medreasoner.answer import Absence, Answer, render
from medreasoner.data.absence import absent_question
from medreasoner.data.build.measuring import Measured
from medreasoner.data.build.writers.offline import vary, wording
from medreasoner.data.build.writers.reasonings import reasoning
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import Frame, Grounding, from_image
from medreasoner.prompts import Prompt
from medreasoner.text.places import place_words, size_word
from train.embedded.pictures import Picture, Target, number_of
from train.embedded.views import GRID, View, coverage_of

IMAGE_SIDES = "", "left", "right"  # "" where the target is none of a pair
SWAP = {"left": "right", "right": "left", "": ""}


def seen_in(target: Target, view: View, others: Sequence[Target] = ()) -> Measured:
    """What was measured of a target, as it is in a view: place and size anew, left and right exchanged in a
    mirrored one, without those neighbours among the `others` of its image whose middle is out of view.
    """
    box = tuple(view.box(target.box))
    side, height = place_words(box, (1, 1))
    hidden = {each.category.with_article(each.side) for each in others if not shows_middle(view, each)}
    neighbours = tuple(each for each in target.measured.neighbours if each[1] not in hidden)
    if view.mirrored:
        neighbours = tuple((_exchanged(relation), _exchanged(name)) for relation, name in neighbours)
    return replace(
        target.measured, side=side, height=height, size=size_word(box, (1, 1)), neighbours=neighbours
    )


def shows_middle(view: View, target: Target) -> bool:
    """Whether the middle of the target's box is in the view."""
    middle = view.points(target.box.reshape(2, 2).mean(0, keepdims=True))[0]
    return bool(((middle >= 0) & (middle <= 1)).all())


def _exchanged(words: str) -> str:
    return " ".join(SWAP.get(word, word) for word in words.split(" "))


def conversation(
    target: Target,
    view: View,
    prompt: Prompt,
    frame: Frame,
    direct: bool,
    rng: random.Random,
    others: Sequence[Target] = (),
    *,
    choices: int | None = None,
) -> dict:
    """One question about a target and its answer: a random wording, a reasoning written from the measured
    facts, coordinates in `frame`; `others` are the targets of its image, `choices` as in `reasoning`.

    Returns: `prompt`, `system` and `completion` as text, `box01` (4,) xyxy as shares of the view, `coverage`
    (256,), `present` True, `asked` the number of the category as in `pictures.kinds_of`, `side` of the image
    that the one of a pair is on, "" for no pair.
    """
    side, image_side = target.side, target.image_side
    if view.mirrored:
        side, image_side = SWAP[side], SWAP[image_side]
    question = vary(wording(target.category, target.category.questions, rng, side, image_side), rng)
    think = reasoning(target.category, seen_in(target, view, others), rng, side, image_side, choices)
    box, points = view.box(target.box), view.points(target.points).clip(0, 1)
    numbers = from_image(Grounding(tuple(box), tuple(map(tuple, points))), frame, (1, 1))
    answer = Answer(_whole(numbers[0]), tuple(map(_whole, numbers[1])), None if direct else think)
    return {
        "prompt": prompt.text(question, think=not direct),
        "system": prompt.system,
        "completion": render(answer),
        "box01": box.tolist(),
        "coverage": coverage_of(target.coverage, GRID, view).ravel().tolist(),
        "present": True,
        "asked": number_of(target.category.name),
        "side": image_side,
    }


def absent_conversation(
    picture: Picture, prompt: Prompt, direct: bool, rng: random.Random, choices: int | None = None
) -> dict:
    """One message about what the image does not show, and the answer that says so; the keys are those of
    `conversation`.
    """
    seen = [target.category.with_article(target.side) for target in picture.targets]
    drawn = absent_question(
        picture.scene, picture.classes, seen, categories(), training=True, rng=rng, choices=choices
    )
    return {
        "prompt": prompt.text(vary(drawn.question, rng), think=not direct),
        "system": prompt.system,
        "completion": render(Absence(None if direct else drawn.think)),
        "box01": [0.0, 0.0, 1.0, 1.0],
        "coverage": [0.0] * GRID**2,
        "present": False,
        "asked": number_of(drawn.name),
        "side": "",
    }


def _whole(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(round(v)) for v in values)

"""Messages that have no answer in an image, and how their absence is explained: the texts are in
`absence.yaml`.

Six kinds: a target that the image cannot show, a target that such an image may show but this one does not, a
target asked of a picture that is no medical image, and messages that ask for no target at all (small talk,
instructions, nonsense, everyday objects, medical questions without a place, other languages).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from medreasoner.data.category import Category
from medreasoner.data.scenes import Scene

FILE = Path(__file__).parent / "absence.yaml"
MESSAGES = {  # list of messages -> list of explanations
    "small_talk": "small_talk",
    "instructions": "instructions",
    "greetings_other_languages": "foreign_questions",
    "nonsense": "nonsense",
    "off_topic_medical": "off_topic_medical",
    "objects": "objects",
    "foreign_questions": "foreign_questions",
}
CANNOT_SHOW, NOT_HERE, NOT_MEDICAL, NO_QUESTION = (
    "cannot show",
    "not in this slice",
    "not medical",
    "no question",
)


@dataclass(frozen=True)
class AbsentQuestion:
    """A message whose right answer is that there is nothing to mark. `kind` is one of the four constants
    above; `name` the absent target's category, "" where the message asks for none; `message` is then its list
    in `absence.yaml`, a key of MESSAGES."""

    kind: str
    question: str
    think: str
    name: str = ""
    message: str = ""


@cache
def texts() -> dict:
    """The contents of `absence.yaml`."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))


def cannot_show(scene: Scene, table: dict[str, Category]) -> list[Category]:
    """The categories with wordings that no image of `scene` can show: none of their body regions is in view,
    and in a picture that is no medical image all of them. [] for an unknown scene.
    """
    if scene.medical and not scene.body:
        return []
    return [
        category
        for category in table.values()
        if category.questions and not set(category.body) & set(scene.body)
    ]


def not_here(scene: Scene, present: Sequence[str], table: dict[str, Category]) -> list[Category]:
    """The categories that images of `scene` may show and this one does not: their classes are labelled
    wherever they are visible.

    Args:
        present: class names that the image's own mask holds.
    """
    found = []
    for category in table.values():
        classes = category.targets.get(scene.source, [])
        whole = classes and all(name in scene.complete for name in classes)
        if whole and not set(classes) & set(present) and category.region != "both":
            found.append(category)
    return found


def message(training: bool, rng: random.Random, choices: int | None = None) -> AbsentQuestion:
    """A message that asks for no target in any image."""
    kind = rng.choice(list(MESSAGES))
    drawn = rng.choice(texts()[kind if training else f"{kind}_held_out"])
    question = drawn["question"] if isinstance(drawn, dict) else drawn
    think = rng.choice(texts()["explanations"][MESSAGES[kind]][:choices])
    return AbsentQuestion(NO_QUESTION, question, think, message=kind)


def absent_target(
    kind: str,
    category: Category,
    question: str,
    scene: Scene,
    rng: random.Random,
    seen: Sequence[str] = (),
    side: str = "",
    *,
    choices: int | None = None,
) -> AbsentQuestion:
    """A question about a target that is not in the image.

    Its explanation begins as the reasoning of a target that is there (`build/writers/reasonings.py`): with
    other first words, a model would decide by them, before it has said what is asked for.

    Args:
        kind: CANNOT_SHOW, NOT_HERE or NOT_MEDICAL.
        seen: targets that are in the image, with their articles.
        side: of the patient, for one of a pair.
        choices: explanations that one is drawn from, None for all.
    """
    listed = {CANNOT_SHOW: "absent", NOT_HERE: "not_in_slice", NOT_MEDICAL: "no_medical_image"}[kind]
    usable = [text for text in texts()["explanations"][listed] if seen or "{seen}" not in text][:choices]
    fill = {"name": category.with_article(side), "scene": rng.choice(scene.phrases or ("an image",))}
    fill["seen"] = rng.choice(list(seen)) if seen else ""
    # the first explanations name the target, as reasonings drawn from few sentences do
    meant = "" if choices else rng.choice(category.sentences("meaning", side) or [""])
    think = f"{meant} {rng.choice(usable).format(**fill)}".strip()
    return AbsentQuestion(kind, question, think, category.name)


def absent_question(
    scene: Scene,
    present: Sequence[str],
    seen: Sequence[str],
    table: dict[str, Category],
    training: bool,
    rng: random.Random,
    choices: int | None = None,
) -> AbsentQuestion:
    """One message about an image of `scene` to which the right answer is that there is nothing to mark.

    A quarter asks for no target at all; of the others a third, where there are any, asks for what this image
    alone does not show. In a picture that is no medical image no target can be seen.

    Args:
        present: class names in the image's mask. seen: targets in the image, with their articles.
        training: draws the wordings for training, else those that are held out.
        choices: explanations that one is drawn from, None for all.
    """
    missing, impossible = not_here(scene, present, table), cannot_show(scene, table)
    if rng.random() < 0.25 or not (missing or impossible):
        return message(training, rng, choices)
    near = missing and (not impossible or rng.random() < 1 / 3)
    category = rng.choice(missing if near else impossible)
    kind = NOT_HERE if near else CANNOT_SHOW if scene.medical else NOT_MEDICAL
    side = rng.choice(("left", "right")) if category.region == "sides" else ""
    wordings = category.questions if training else category.held_out
    question = rng.choice([text for text in wordings if "{image_side}" not in text] or wordings)
    question = question.replace("{side}", side).replace("{image_side}", side)
    return absent_target(kind, category, question, scene, rng, seen, side, choices=choices)

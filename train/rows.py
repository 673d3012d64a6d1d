"""The rows GRPO draws from: TRL's columns (`prompt`, `image`) and those our rewards read, made when a row is
taken.

The conversation is the one the library builds at inference, the image is resized as there, and the truth
stays in pixels of the original. `train/preflight.py` checks the samples before the first step.
"""

import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from datasets import Dataset
from PIL import Image

from medreasoner.data.build.writers.offline import vary, wording
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import categories
from medreasoner.prompts import messages
from train.model_spec import ModelSpec

REMEMBERED = 64  # images in memory: the completions of a group share theirs


def prompt_rows(
    samples: Sequence[Sample],
    spec: ModelSpec,
    wordings: int = 1,
    direct_share: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """`wordings` rows per sample, in random order, with the columns `prompt`, `image`, `bbox_2d`, `point_2d`,
    `image_wh` (pixels of the original), `mask`, `think`, `absent`, `id` and `question`. Box, points and
    mask of what is not in its image are None.

    Args:
        wordings: with more than one, questions of known categories are worded anew; those of others stay.
        direct_share: 0..1 of the rows ask for an answer without reasoning.
    """

    @lru_cache(REMEMBERED)
    def image(n: int) -> Image.Image:
        return spec.resize(samples[n].load_image())

    @lru_cache(REMEMBERED)
    def mask(n: int) -> Image.Image | None:
        return None if samples[n].mask is None else Image.fromarray(samples[n].load_mask())

    @lru_cache(REMEMBERED)
    def truth(n: int) -> dict:
        place = {"bbox_2d": None, "point_2d": None}
        if not samples[n].absent:
            grounding = samples[n].truth()
            place = {"bbox_2d": list(grounding.box), "point_2d": [list(p) for p in grounding.points]}
        return place | {"image_wh": list(samples[n].load_image().size), "absent": samples[n].absent}

    def row(n: int, think: bool, question: str) -> dict:
        return {
            "prompt": text_only(messages(spec.prompt.text(question, think), spec.prompt.system)),
            "image": image(n),
            **truth(n),
            "mask": mask(n),
            "think": think,
            "id": samples[n].id,
            "question": question,
        }

    return lazily(draw(samples, wordings, direct_share, seed), row)


def draw(
    samples: Sequence[Sample], wordings: int, direct_share: float, seed: int
) -> list[tuple[int, bool, str]]:
    """(index of the sample, whether reasoning is asked for, question) of each row, `wordings` a sample, in
    random order."""
    rng = random.Random(seed)
    drawn = [
        (n, rng.random() >= direct_share, worded(samples[n], wordings > 1, rng))
        for _ in range(wordings)
        for n in range(len(samples))
    ]
    rng.shuffle(drawn)
    return drawn


def lazily(drawn: Sequence[tuple[int, bool, str]], row: Callable[[int, bool, str], dict]) -> Dataset:
    """A Dataset whose rows are made when they are taken, so that a set of any size stays on disk."""

    def transform(batch: dict) -> dict:
        rows = [row(*each) for each in zip(batch["n"], batch["think"], batch["question"], strict=True)]
        return {key: [each[key] for each in rows] for key in rows[0]}

    columns = {name: [each[i] for each in drawn] for i, name in enumerate(("n", "think", "question"))}
    return Dataset.from_dict(columns).with_transform(transform)


def worded(sample: Sample, reword: bool, rng: random.Random) -> str:
    """The sample's question; with `reword`, another training wording of it where its category is known."""
    category = categories().get(sample.target or sample.category)
    if not reword or sample.absent or category is None:
        return sample.question
    return vary(wording(category, category.questions, rng, sample.side, sample.image_side), rng)


def text_only(chat: list[dict]) -> list[dict]:
    """The chat without its image places; TRL puts the image before the text of the first user turn itself."""
    return [
        {"role": m["role"], "content": "".join(part.get("text", "") for part in m["content"])} for m in chat
    ]

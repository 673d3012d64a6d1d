"""Samples -> the rows GRPO draws from: the conversation the library builds at inference, the picture in its fixed frame, and the truth.

Is: TRL's columns (`prompt`, `image`) and those our rewards read (`bbox_2d`, `point_2d`, `image_wh`, `mask`, `think`), made when a row is
drawn, so that a set of any size stays on disk.
Is not: a judge of the samples; `train/preflight.py` looks at all of them before the first step.
"""

import random
from collections.abc import Callable, Sequence
from functools import lru_cache

from datasets import Dataset
from PIL import Image

from medreasoner.data.build.writers.offline import vary
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import categories
from medreasoner.prompts import Prompt, messages

KEPT = 64  # pictures in memory: a group of completions shares its own

Resize = Callable[[Image.Image], Image.Image]


def fixed_frame(processor, square: int | None) -> tuple[Resize, int | None]:
    """(how a picture becomes the one size that all rows have, that side). Mixed sizes corrupt prompts silently with vLLM (trl#6401), and
    a size set on the processor alone never reaches it.

    The side is `square`, or what the image processor makes of every picture; (identity, None) where sizes stay as they are.
    """
    if square is not None:
        return lambda image: image.resize((square, square), Image.Resampling.BICUBIC), square
    size = dict(getattr(processor.image_processor, "size", None) or {})
    if size.get("height") is None or size.get("height") != size.get("width"):
        return lambda image: image, None

    def resize(image: Image.Image) -> Image.Image:
        seen = processor.image_processor(image, do_rescale=False, do_normalize=False, return_tensors="np")[
            "pixel_values"
        ][0]
        return Image.fromarray(seen.transpose(1, 2, 0).astype("uint8"))

    return resize, size["height"]


def prompt_rows(
    samples: Sequence[Sample],
    prompt: Prompt,
    resize: Resize,
    wordings: int = 1,
    direct_share: float = 0.0,
    seed: int = 0,
) -> Dataset:
    """`wordings` rows per sample, in random order. With more than one, the questions of samples whose category is in the table are worded
    anew (a set's own question is kept for the others).

    Args:
        direct_share: 0..1 of the rows ask for an answer without reasoning.
    """

    @lru_cache(KEPT)
    def picture(n: int) -> Image.Image:
        return resize(samples[n].load_image())

    @lru_cache(KEPT)
    def mask(n: int) -> Image.Image | None:
        return None if samples[n].mask is None else Image.fromarray(samples[n].load_mask())

    @lru_cache(KEPT)
    def truth(n: int) -> tuple:
        placed = samples[n].truth()
        return list(placed.box), [list(p) for p in placed.points], list(samples[n].load_image().size)

    def row(n: int, think: bool, question: str) -> dict:
        box, points, image_wh = truth(n)
        return {
            "prompt": text_only(messages(prompt.text(question, think), prompt.system)),
            "image": picture(n),
            "bbox_2d": box,
            "point_2d": points,
            "image_wh": image_wh,
            "mask": mask(n),
            "think": think,
            "id": samples[n].id,
            "question": question,
        }

    return lazily(draw(samples, wordings, direct_share, seed), row)


def draw(
    samples: Sequence[Sample], wordings: int, direct_share: float, seed: int
) -> list[tuple[int, bool, str]]:
    """(index of the sample, whether reasoning is asked for, question) of each row, `wordings` a sample, in random order."""
    rng = random.Random(seed)
    drawn = [
        (n, rng.random() >= direct_share, asked(samples[n], wordings > 1, rng))
        for _ in range(wordings)
        for n in range(len(samples))
    ]
    rng.shuffle(drawn)
    return drawn


def lazily(drawn: Sequence[tuple[int, bool, str]], row: Callable[[int, bool, str], dict]) -> Dataset:
    """A Dataset whose rows are made when they are taken out, so that a set of any size stays on disk."""

    def transform(batch: dict) -> dict:
        rows = [row(*each) for each in zip(batch["n"], batch["think"], batch["question"], strict=True)]
        return {key: [each[key] for each in rows] for key in rows[0]}

    columns = {name: [each[i] for each in drawn] for i, name in enumerate(("n", "think", "question"))}
    return Dataset.from_dict(columns).with_transform(transform)


def asked(sample: Sample, reword: bool, rng: random.Random) -> str:
    """The sample's question, or, if asked for and its category is in the table, another training wording of it."""
    name, _, side = sample.category.partition(", ")
    if not reword or name not in categories():
        return sample.question
    return vary(rng.choice(categories()[name].wordings).replace("{side}", side.split(" ")[0]), rng)


def text_only(chat: list[dict]) -> list[dict]:
    """The chat without the places of its pictures; TRL puts the picture before the words of the first user turn itself."""
    return [
        {"role": m["role"], "content": "".join(part.get("text", "") for part in m["content"])} for m in chat
    ]

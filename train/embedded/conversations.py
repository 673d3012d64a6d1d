"""Samples -> training rows of the embedded CRM: a picture and the conversations about it, the same that the library builds at inference.

Is: rows that `train/embedded/collator.py` makes batches of, with what the dense supervision of `train/embedded/losses.py` reads: the box, where the target
covers the image-token grid, and which known target covers each token.
Is not: augmentation (`train/embedded/augment.py`).
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset
from PIL import Image
from scipy import ndimage

from medreasoner.answer import Answer, render
from medreasoner.data.build.writers.offline import Measured, reasoning, vary
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import Frame, Grounding, from_image
from medreasoner.prompts import Prompt

GRID = 16  # image tokens a side
DIRECT_SHARE = 0.12  # of rows answered without thinking aloud


@dataclass(frozen=True)
class Item:
    """One target of one picture, measured: `cover` (16, 16) share of each token's cell that is target; `wh` the picture's size."""

    sample: dict
    image: str
    wh: tuple[int, int]
    cover: np.ndarray


def is_dev(case: str, one_in: int = 16) -> bool:
    """Whether a training case is held back to watch the run by; decided by its name alone."""
    return int(hashlib.sha256(case.encode()).hexdigest(), 16) % one_in == 0


def load_items(folders: list[Path], split: str = "train") -> list[Item]:
    items = []
    for folder in folders:
        for line in (folder / "samples.jsonl").read_text().splitlines():
            sample = json.loads(line)
            if sample["split"] == split:
                mask = np.asarray(Image.open(folder / sample["mask"])) > 127
                items.append(
                    Item(
                        sample, str(folder / sample["image"]), (mask.shape[1], mask.shape[0]), cover_of(mask)
                    )
                )
    return items


def cover_of(mask: np.ndarray) -> np.ndarray:
    """(16, 16) float32: the mean of a mask (H, W) over each cell of the token grid."""
    sums = np.pad(mask.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows = np.linspace(0, mask.shape[0], GRID + 1)
    cols = np.linspace(0, mask.shape[1], GRID + 1)
    grid = ndimage.map_coordinates(sums, np.meshgrid(rows, cols, indexing="ij"), order=1)
    cell = mask.shape[0] * mask.shape[1] / GRID**2
    return (
        ((grid[1:, 1:] - grid[:-1, 1:] - grid[1:, :-1] + grid[:-1, :-1]) / cell).clip(0, 1).astype(np.float32)
    )


def kinds_of(items: list[Item]) -> np.ndarray:
    """(16, 16) int: which known target covers each token of one picture (0 none, else 1 + index in the table); small targets on top."""
    order = {name: i + 1 for i, name in enumerate(categories())}
    kinds = np.zeros((GRID, GRID), np.int64)
    for item in sorted(items, key=lambda it: -it.cover.sum()):
        limit = min(0.3, 0.9 * item.cover.max())
        kinds[item.cover > limit] = order[table_name(item.sample["category"])]
    return kinds


def table_name(category: str) -> str:
    return category.partition(",")[0]


def mishear(question: str, share: float, rng: random.Random) -> str:
    """The question without `share` (0..1) of its words, so that no single word must be there to be understood; words for a side stay."""
    kept = [
        word
        for word in question.split(" ")
        if word.lower().strip(".,?!") in ("left", "right") or rng.random() >= share
    ]
    return " ".join(kept) or question


def turn(item: Item, prompt: Prompt, frame: Frame, rng: random.Random, lost: float = 0.0) -> dict:
    """One conversation about a picture: a wording drawn anew, `lost` (0..1) of its words left out in every other one, reasoning written
    anew from the measured facts, the answer in the model's frame."""
    sample, category = item.sample, categories()[table_name(item.sample["category"])]
    side = sample["category"].partition(", ")[2].split(" ")[0]
    question = vary(rng.choice(category.wordings).replace("{side}", side), rng)
    if lost and rng.random() < 0.5:
        question = mishear(question, lost, rng)
    box = tuple(sample["box"])
    think = reasoning(category, Measured(**sample["measured"]), rng)
    bbox, points = from_image(Grounding(box, tuple(tuple(p) for p in sample["points"])), frame, item.wh)
    direct = rng.random() < DIRECT_SHARE
    answer = Answer(_whole(bbox), tuple(_whole(p) for p in points), None if direct else think)
    width, height = item.wh
    return {
        "prompt": prompt.text(question, think=not direct),
        "system": prompt.system,
        "completion": render(answer),
        "box01": [v / s for v, s in zip(box, (width, height, width, height), strict=True)],
        "cover": item.cover.ravel().tolist(),
    }


def _whole(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(round(v)) for v in values)


def make_rows(
    items: list[Item],
    repeats: int,
    turns: int,
    even: float,
    seed: int,
    make: Callable[[Item, random.Random], dict],
) -> Dataset:
    """Rows of one picture with `turns` conversations each, which `make` writes when the row is drawn, in random order: `repeats`
    conversations a target on average.

    The targets of a picture take turns, so that all are asked for as often.

    Args:
        even: 0..1, how far sets rather than targets are asked for equally often.
    """
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item.image, []).append(item)
    pictures = list(groups.values())
    sets = Counter(item.sample["dataset"] for item in items)
    weights = [len(group) ** (1 - even) * sets[group[0].sample["dataset"]] ** -even for group in pictures]
    rng, drawn = random.Random(seed), []
    for n, weight in enumerate(weights):
        count = int(repeats * len(items) / turns * weight / sum(weights) + rng.random())
        members = range(len(pictures[n]))
        asked = [
            member
            for _ in range(count * turns // len(members) + 1)
            for member in rng.sample(members, len(members))
        ]
        drawn += [
            {"n": n, "asked": asked[i * turns : (i + 1) * turns], "seed": rng.getrandbits(32)}
            for i in range(count)
        ]
    rng.shuffle(drawn)
    kinds = [kinds_of(group).ravel().tolist() for group in pictures]

    def row(n: int, asked: list[int], seed: int) -> dict:
        words = random.Random(seed)
        image = Image.open(pictures[n][0].image).convert("RGB")
        return {"image": image, "kinds": kinds[n], "turns": [make(pictures[n][i], words) for i in asked]}

    def transform(batch: dict) -> dict:
        rows = [row(*each) for each in zip(batch["n"], batch["asked"], batch["seed"], strict=True)]
        return {key: [each[key] for each in rows] for key in rows[0]}

    return Dataset.from_list(drawn).with_transform(transform)

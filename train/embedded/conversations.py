"""Training rows of the embedded VLM: an image and several conversations about it, worded as at inference.

A row is `{"image": PIL image, "kinds": ..., "conversations": [...]}`; `train/embedded/collator.py` makes
batches of rows. Beside the text a conversation carries what the dense losses (`train/embedded/losses.py`)
need: the box, and where the target lies on the image-token grid.
"""

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
DIRECT_SHARE = 0.12  # of conversations that answer without reasoning
SHORTENED_SHARE = 0.5  # of questions that words are left out of, where that is asked for
GREY = 127  # of 255: brighter pixels of a mask file are the target


@dataclass(frozen=True)
class Target:
    """One target of one image.

    Args:
        sample: its line of `samples.jsonl`; box and points in pixels of the image.
        image: path of the image.
        wh: width and height of the image in pixels.
        coverage: (16, 16) float32, 0..1, the share of each image token's cell that the mask covers.
    """

    sample: dict
    image: str
    wh: tuple[int, int]
    coverage: np.ndarray


def load_targets(folders: list[Path], split: str = "train") -> list[Target]:
    """The targets of one split of sets that `medreasoner data build` wrote."""
    targets = []
    for folder in folders:
        for line in (folder / "samples.jsonl").read_text().splitlines():
            sample = json.loads(line)
            if sample["split"] == split:
                mask = np.asarray(Image.open(folder / sample["mask"])) > GREY
                height, width = mask.shape
                image = str(folder / sample["image"])
                targets.append(Target(sample, image, (width, height), coverage_of(mask)))
    return targets


def coverage_of(mask: np.ndarray) -> np.ndarray:
    """(16, 16) float32: the mean of a mask (H, W) bool over each cell of the token grid; the grid need not
    divide the image."""
    sums = np.pad(mask.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows = np.linspace(0, mask.shape[0], GRID + 1)
    cols = np.linspace(0, mask.shape[1], GRID + 1)
    grid = ndimage.map_coordinates(sums, np.meshgrid(rows, cols, indexing="ij"), order=1)
    cell = mask.shape[0] * mask.shape[1] / GRID**2
    inside = grid[1:, 1:] - grid[:-1, 1:] - grid[1:, :-1] + grid[:-1, :-1]
    return (inside / cell).clip(0, 1).astype(np.float32)


def kinds_of(targets: list[Target]) -> np.ndarray:
    """(16, 16) int: the category that covers each image token, 0 for none, else 1 + its index in the
    table. Small targets lie on top."""
    order = {name: i + 1 for i, name in enumerate(categories())}
    kinds = np.zeros((GRID, GRID), np.int64)
    for target in sorted(targets, key=lambda each: -each.coverage.sum()):
        limit = min(0.3, 0.9 * target.coverage.max())
        kinds[target.coverage > limit] = order[category_name(target.sample["category"])]
    return kinds


def category_name(category: str) -> str:
    """The name in the table of categories: "lung" of "lung, left of the image"."""
    return category.partition(",")[0]


def drop_words(question: str, share: float, rng: random.Random) -> str:
    """The question without about `share` (0..1) of its words, so that the model relies on no single one;
    "left" and "right" stay."""
    kept = [
        word
        for word in question.split(" ")
        if word.lower().strip(".,?!") in ("left", "right") or rng.random() >= share
    ]
    return " ".join(kept) or question


def conversation(
    target: Target, prompt: Prompt, frame: Frame, rng: random.Random, lost_words: float = 0.0
) -> dict:
    """One question about a target and its answer: a random wording, a reasoning written from the measured
    facts, coordinates in `frame`.

    Args:
        lost_words: 0..1, share of the words that every other question goes without.

    Returns: `prompt`, `system` and `completion` as text, `box01` (4,) xyxy as shares of the sides, `coverage`
    (256,).
    """
    sample, category = target.sample, categories()[category_name(target.sample["category"])]
    side = sample["category"].partition(", ")[2].split(" ")[0]
    question = vary(rng.choice(category.wordings).replace("{side}", side), rng)
    if lost_words and rng.random() < SHORTENED_SHARE:
        question = drop_words(question, lost_words, rng)
    box = tuple(sample["box"])
    think = reasoning(category, Measured(**sample["measured"]), rng)
    bbox, points = from_image(Grounding(box, tuple(tuple(p) for p in sample["points"])), frame, target.wh)
    direct = rng.random() < DIRECT_SHARE
    answer = Answer(_whole(bbox), tuple(_whole(p) for p in points), None if direct else think)
    width, height = target.wh
    return {
        "prompt": prompt.text(question, think=not direct),
        "system": prompt.system,
        "completion": render(answer),
        "box01": [v / s for v, s in zip(box, (width, height, width, height), strict=True)],
        "coverage": target.coverage.ravel().tolist(),
    }


def _whole(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(float(round(v)) for v in values)


def make_rows(
    targets: list[Target],
    repeats: int,
    turns: int,
    even: float,
    seed: int,
    make: Callable[[Target, random.Random], dict],
) -> Dataset:
    """Rows of one image and `turns` conversations each, in random order, with `repeats` conversations a
    target on average.

    The targets of an image take turns. `make` writes a conversation when its row is read, so the text differs
    from row to row.

    Args:
        even: 0..1; at 0 every target is asked for equally often, at 1 every data set.
    """
    groups: dict[str, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.image, []).append(target)
    images = list(groups.values())
    drawn = _draw(images, repeats * len(targets) / turns, turns, even, random.Random(seed))
    kinds = [kinds_of(group).ravel().tolist() for group in images]

    def row(n: int, members: list[int], seed: int) -> dict:
        rng = random.Random(seed)
        image = Image.open(images[n][0].image).convert("RGB")
        conversations = [make(images[n][i], rng) for i in members]
        return {"image": image, "kinds": kinds[n], "conversations": conversations}

    def transform(batch: dict) -> dict:
        rows = [row(*each) for each in zip(batch["n"], batch["members"], batch["seed"], strict=True)]
        return {key: [each[key] for each in rows] for key in rows[0]}

    return Dataset.from_list(drawn).with_transform(transform)


def _draw(
    images: list[list[Target]], count: float, turns: int, even: float, rng: random.Random
) -> list[dict]:
    """About `count` rows: `n` index of the image, `members` indices of its targets, `seed` of the
    wordings."""
    sets = Counter(target.sample["dataset"] for group in images for target in group)
    weights = [len(group) ** (1 - even) * sets[group[0].sample["dataset"]] ** -even for group in images]
    drawn, total = [], sum(weights)
    for n, weight in enumerate(weights):
        rows = int(count * weight / total + rng.random())
        members = range(len(images[n]))
        order = [
            member
            for _ in range(rows * turns // len(members) + 1)
            for member in rng.sample(members, len(members))
        ]
        drawn += [
            {"n": n, "members": order[i * turns : (i + 1) * turns], "seed": rng.getrandbits(32)}
            for i in range(rows)
        ]
    rng.shuffle(drawn)
    return drawn

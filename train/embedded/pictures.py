"""Training images with their targets and what was measured of them, read from built sets.

The facts are in `stages/1_regions.jsonl` of a set.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.build.measuring import Measured
from medreasoner.data.category import Category
from medreasoner.data.scenes import Scene, scene_of
from medreasoner.data.taxonomy import categories
from train.embedded.views import GRID, UNCHANGED, View, coverage_of

FINE = 64  # cells a side in which a target's mask is kept
GREY = 127  # of 255: brighter pixels of a mask file are the target


@dataclass(frozen=True)
class Target:
    """One target of one image.

    Args:
        side: of the patient; image_side: of the image; each "left", "right" or "".
        box, points: xyxy and two xy, as shares (0..1) of the image's sides.
        coverage: (64, 64) float32, 0..1, the share of each cell that the mask covers.
        ratio: height of the image over its width.
    """

    category: Category
    side: str
    image_side: str
    box: np.ndarray
    points: np.ndarray
    coverage: np.ndarray
    measured: Measured
    ratio: float


@dataclass(frozen=True)
class Picture:
    """One image with its targets, () where it shows none that can be asked for; `classes` are the names its
    class mask holds.
    """

    path: str
    dataset: str
    case: str
    scene: Scene
    classes: tuple[str, ...]
    targets: tuple[Target, ...]


def load_pictures(folders: Sequence[Path], split: str = "train") -> list[Picture]:
    """The images of one split of built sets."""
    table, pictures = categories(), []
    for folder in folders:
        for line in (folder / "stages" / "1_regions.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["split"] == split and row.get("image"):
                targets = tuple(
                    _target(folder, row, each, table) for each in row["targets"] if each["name"] in table
                )
                scene = scene_of(row["dataset"])
                path = str(folder / row["image"])
                pictures.append(
                    Picture(path, row["dataset"], row["case"], scene, tuple(row["classes"]), targets)
                )
    return pictures


def _target(folder: Path, row: dict, target: dict, table: dict[str, Category]) -> Target:
    mask = np.asarray(Image.open(folder / target["mask"])) > GREY
    height, width = mask.shape
    facts = target["measured"] | {"neighbours": tuple(map(tuple, target["measured"]["neighbours"]))}
    return Target(
        table[target["name"]],
        target["side"],
        target["image_side"],
        np.array(target["box"]) / [width, height, width, height],
        np.array(target["points"]) / [width, height],
        coverage_of(mask, FINE),
        Measured(**facts),
        height / width,
    )


@cache
def _order() -> dict[str, int]:
    return {name: number for number, name in enumerate(categories(), 1)}


def number_of(name: str) -> int:
    """1 + the index of the category `name` in the table; 0 for "", a message that asks for no target."""
    return _order()[name] if name else 0


def kinds_of(targets: Sequence[Target], view: View = UNCHANGED) -> np.ndarray:
    """(16, 16) int: the category that covers each image token of a view, 0 for none, else 1 + its index in
    the table; small ones on top.
    """
    kinds = np.zeros((GRID, GRID), np.int64)
    for target in sorted(targets, key=lambda each: -each.coverage.sum()):
        coverage = coverage_of(target.coverage, GRID, view)
        if coverage.max() > 0:
            kinds[coverage > min(0.3, 0.9 * coverage.max())] = number_of(target.category.name)
    return kinds

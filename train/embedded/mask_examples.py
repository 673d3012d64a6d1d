"""What the mask decoder is tuned on: cached maps, full masks, and prompts as wrong as a CRM's.

Is: one batch, from the samples of several sets and their caches. Is not: the training (`train/embedded/mask_decoder.py`).
"""

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medreasoner.geometry import EMBEDDED, mask_to_points
from medreasoner.segmenters.sam2 import image_processor
from train.embedded.conversations import Target, load_targets
from train.embedded.features import FeatureCache, content_key
from train.embedded.own_errors import error_of
from train.embedded.sam2 import SIDE as INPUT_SIDE

SIDE = 256  # masks are compared at this size
NOISES = {  # (share, spread as a share of the box's sides): near-exact, usual and bad answers
    "wide": ((0.5, 0.02), (0.35, 0.08), (0.15, 0.2)),
    "near": ((0.6, 0.01), (0.3, 0.08), (0.1, 0.2)),
}


def noisy_prompt(
    box01: np.ndarray,
    points01: np.ndarray,
    rng: np.random.Generator,
    spread: float | None = None,
    noise: str = "wide",
) -> tuple[np.ndarray, np.ndarray]:
    """A box (4,) and two points (2, 2) in 0..1 as a CRM might give them: shifted and scaled by `spread`, or by one drawn from NOISES."""
    if spread is None:
        spread = rng.choice([spread for _, spread in NOISES[noise]], p=[share for share, _ in NOISES[noise]])
    size = np.tile(box01[2:] - box01[:2], 2)
    shift = np.tile(rng.normal(0, spread, 2), 2)
    box = box01 + size * (shift + rng.normal(0, spread, 4))
    box = np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])]).clip(0, 1)
    points = points01 + size[:2] * (shift[:2] + rng.normal(0, spread, (2, 2)))
    return box, points.clip(0, 1)


def wrong_prompt(box01: np.ndarray, points01: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A box (4,) and two points (2, 2) in 0..1, as wrong as an answer with this `error` (4, 2)."""
    places = np.concatenate([box01.reshape(2, 2), points01]) + error * (box01[2:] - box01[:2])
    return places[:2].reshape(4).clip(0, 1), places[2:].clip(0, 1)


def near(boxes: torch.Tensor) -> torch.Tensor:
    """(B, S, S): 1 inside the boxes (B, 4), shares of the sides, grown by half their size, and 0.02 elsewhere."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    grown = (boxes[:, 2:] - boxes[:, :2]) / 4
    low, high = boxes[:, :2] - grown, boxes[:, 2:] + grown
    inside = (line[None, None] > low[..., None]) & (line[None, None] < high[..., None])  # (B, 2, S)
    return (inside[:, 1, :, None] & inside[:, 0, None, :]).float() * 0.98 + 0.02


@dataclass(frozen=True)
class Row:
    """One target: where its maps are, its box (4,) and points (2, 2) as shares of the sides, its mask (SIDE, SIDE) uint8, how wrong the
    CRM was about it (`own_errors.error_of`; None if not known)."""

    cache: FeatureCache
    key: str
    box: np.ndarray
    points: np.ndarray
    truth: np.ndarray
    dataset: str
    error: np.ndarray | None


@dataclass(frozen=True)
class Batch:
    """`maps` as the mask decoder reads them; `boxes` (B, 1, 4) and `points` (B, 1, 2, 2) in pixels of the 512 px input; `truth` and
    `weight` (B, SIDE, SIDE)."""

    maps: list[torch.Tensor]
    boxes: torch.Tensor
    points: torch.Tensor
    truth: torch.Tensor
    weight: torch.Tensor


class Examples:
    """The targets of sets whose images are in the caches, `kept` by their sample; rare sets are drawn more often than they are.

    `said` are a CRM's answers by sample id, `own` the share of prompts that are as wrong as one of its answers to the same set.
    `rare` 0..1: how far sets rather than targets are drawn equally often. `noise`: which of NOISES the other prompts are drawn from.
    """

    def __init__(
        self,
        folders: list[Path],
        caches: list[Path],
        kept,
        said: dict[str, str] | None = None,
        own: float = 0.0,
        rare: float = 0.5,
        noise: str = "wide",
    ):
        stores = [FeatureCache(cache, ("tokens", "high0", "high1", "low")) for cache in caches]
        self.rows = [row for folder in folders for row in _rows(folder, stores, kept, said or {})]
        counts = Counter(row.dataset for row in self.rows)
        self.weights = [counts[row.dataset] ** -rare for row in self.rows]
        self.own, self.noise, self.errors = own, noise, defaultdict(list)
        for row in self.rows:
            if row.error is not None:
                self.errors[row.dataset].append(row.error)

    def batch(self, indices: list[int], rng: np.random.Generator, spread: float | None = None) -> Batch:
        """The targets `indices` with noisy prompts: of the spread given, or as wrong as is drawn for each."""
        return self._batch([(self.rows[i], self._prompt(self.rows[i], rng, spread)) for i in indices])

    def answered(self, indices: list[int]) -> Batch:
        """The targets `indices`, whose errors are known, with the CRM's own prompts."""
        rows = [self.rows[i] for i in indices]
        return self._batch([(row, wrong_prompt(row.box, row.points, row.error)) for row in rows])

    def _prompt(
        self, row: Row, rng: np.random.Generator, spread: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        errors = self.errors.get(row.dataset)
        if spread is None and errors and rng.random() < self.own:
            return wrong_prompt(row.box, row.points, errors[rng.integers(len(errors))])
        return noisy_prompt(row.box, row.points, rng, spread, self.noise)

    def _batch(self, rows: list[tuple[Row, tuple[np.ndarray, np.ndarray]]]) -> Batch:
        maps = [
            torch.stack([row.cache.get(row.key, name).float() for row, _ in rows])
            for name in ("high0", "high1", "low")
        ]
        boxes = torch.tensor(np.stack([box for _, (box, _) in rows]) * INPUT_SIDE, dtype=torch.float32)[
            :, None
        ]
        points = torch.tensor(
            np.stack([points for _, (_, points) in rows]) * INPUT_SIDE, dtype=torch.float32
        )[:, None]
        truth = torch.tensor(np.stack([row.truth for row, _ in rows]), dtype=torch.float32) / 255
        weight = near(torch.tensor(np.stack([row.box for row, _ in rows]), dtype=torch.float32))
        return Batch(maps, boxes, points, truth, weight)


def _rows(folder: Path, stores: list[FeatureCache], kept, said: dict[str, str]) -> list[Row]:
    processor, keys, rows = image_processor(INPUT_SIDE), {}, []
    for target in (each for each in load_targets([folder]) if kept(each.sample)):
        if target.image not in keys:
            keys[target.image] = content_key(
                processor(Image.open(target.image).convert("RGB"), return_tensors="pt").pixel_values[0]
            )
        store = next((store for store in stores if keys[target.image] in store), None)
        if store is not None:
            rows.append(_row(target, folder, store, keys[target.image], said.get(target.sample["id"])))
    return rows


def _row(target: Target, folder: Path, store: FeatureCache, key: str, said: str | None) -> Row:
    mask = np.asarray(Image.open(folder / target.sample["mask"])) > 127
    size = np.array([*target.wh, *target.wh], np.float64)
    truth = np.asarray(
        Image.fromarray(mask.astype(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BOX), np.uint8
    )
    points = np.array(mask_to_points(mask)) / size[:2]
    error = error_of(said, target, mask, EMBEDDED) if said else None
    return Row(
        store, key, np.array(target.sample["box"]) / size, points, truth, target.sample["dataset"], error
    )

"""What the mask decoder is tuned on: cached maps, true masks, and prompts as wrong as a VLM's."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from medreasoner.geometry import mask_to_points
from medreasoner.segmenters.sam2_model import image_processor
from train.embedded.feature_cache import MAPS, FeatureCache, content_key
from train.embedded.pictures import GREY
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
    """A box (4,) and two points (2, 2) in 0..1 as a VLM might give them, shifted and scaled.

    Args:
        box01, points01: the true ones, as shares of the image's sides.
        spread: of shift and scale as a share of the box's sides; None draws one of NOISES[noise].
    """
    if spread is None:
        spread = rng.choice([spread for _, spread in NOISES[noise]], p=[share for share, _ in NOISES[noise]])
    size = np.tile(box01[2:] - box01[:2], 2)
    shift = np.tile(rng.normal(0, spread, 2), 2)
    box = box01 + size * (shift + rng.normal(0, spread, 4))
    box = np.concatenate([np.minimum(box[:2], box[2:]), np.maximum(box[:2], box[2:])]).clip(0, 1)
    points = points01 + size[:2] * (shift[:2] + rng.normal(0, spread, (2, 2)))
    return box, points.clip(0, 1)


def near(boxes: torch.Tensor) -> torch.Tensor:
    """(B, SIDE, SIDE) weights: 1 inside the boxes (B, 4), shares of the sides, grown by half their size,
    and 0.02 elsewhere."""
    line = (torch.arange(SIDE) + 0.5) / SIDE
    margin = (boxes[:, 2:] - boxes[:, :2]) / 4
    low, high = boxes[:, :2] - margin, boxes[:, 2:] + margin
    inside = (line[None, None] > low[..., None]) & (line[None, None] < high[..., None])  # (B, 2, SIDE)
    return (inside[:, 1, :, None] & inside[:, 0, None, :]).float() * 0.98 + 0.02


@dataclass(frozen=True)
class Row:
    """One target: the cache and key of its image's maps, box (4,) and points (2, 2) as shares of the
    sides, mask (SIDE, SIDE) uint8."""

    cache: FeatureCache
    key: str
    box: np.ndarray
    points: np.ndarray
    truth: np.ndarray
    dataset: str


@dataclass(frozen=True)
class Batch:
    """`maps` as the mask decoder reads them; `boxes` (B, 1, 4) and `points` (B, 1, 2, 2) in pixels of the
    512 px input; `truth` and `weight` (B, SIDE, SIDE) in 0..1."""

    maps: list[torch.Tensor]
    boxes: torch.Tensor
    points: torch.Tensor
    truth: torch.Tensor
    weight: torch.Tensor


class Examples:
    """The targets of built sets whose images are in the caches.

    Args:
        wanted: which samples to take, by their line of `samples.jsonl`.
        rare: 0..1, for `weights`: at 0 all targets are drawn equally often, at 1 all data sets.
        noise: which of NOISES the prompts are drawn from.
    """

    def __init__(
        self,
        folders: list[Path],
        caches: list[Path],
        wanted: Callable[[dict], bool],
        rare: float = 0.5,
        noise: str = "wide",
    ) -> None:
        stores = [FeatureCache(cache, MAPS) for cache in caches]
        self.rows = [row for folder in folders for row in _rows(folder, stores, wanted)]
        counts = Counter(row.dataset for row in self.rows)
        self.weights = [counts[row.dataset] ** -rare for row in self.rows]
        self.noise = noise

    def batch(self, indices: list[int], rng: np.random.Generator, spread: float | None = None) -> Batch:
        """The targets `indices` with noisy prompts: of the spread given, or as wrong as is drawn for each."""
        rows = [self.rows[i] for i in indices]
        prompts = [noisy_prompt(row.box, row.points, rng, spread, self.noise) for row in rows]
        maps = [torch.stack([row.cache.get(row.key, name).float() for row in rows]) for name in MAPS]
        boxes, points = (_tensor(each) * INPUT_SIDE for each in zip(*prompts, strict=True))
        truth = _tensor([row.truth for row in rows]) / 255
        weight = near(_tensor([row.box for row in rows]))
        return Batch(maps, boxes[:, None], points[:, None], truth, weight)


def _tensor(arrays: list[np.ndarray]) -> torch.Tensor:
    return torch.tensor(np.stack(arrays), dtype=torch.float32)


def trained_cases(folders: list[Path]) -> set[str]:
    """The cases of the training samples of built sets."""
    lines = (line for each in folders for line in (each / "samples.jsonl").open(encoding="utf-8"))
    return {sample["case"] for sample in map(json.loads, lines) if sample["split"] == "train"}


def _rows(folder: Path, stores: list[FeatureCache], wanted: Callable[[dict], bool]) -> list[Row]:
    processor, keys, rows = image_processor(INPUT_SIDE), {}, []
    for line in (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines():
        sample = json.loads(line)
        if sample["split"] != "train" or sample.get("absent") or not wanted(sample):
            continue
        name = sample["image"]
        if name not in keys:
            image = Image.open(folder / name).convert("RGB")
            keys[name] = content_key(processor(image, return_tensors="pt").pixel_values[0])
        store = next((store for store in stores if keys[name] in store), None)
        if store is not None:
            rows.append(_row(sample, folder, store, keys[name]))
    return rows


def _row(sample: dict, folder: Path, store: FeatureCache, key: str) -> Row:
    mask = np.asarray(Image.open(folder / sample["mask"])) > GREY
    size = np.array([*mask.shape[::-1], *mask.shape[::-1]], np.float64)
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize((SIDE, SIDE), Image.Resampling.BOX)
    points = np.array(mask_to_points(mask)) / size[:2]
    box = np.array(sample["box"]) / size
    return Row(store, key, box, points, np.asarray(grey, np.uint8), sample["dataset"])

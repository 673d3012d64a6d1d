"""Scores of a segmenter in volumes with true masks: a row of `volumes.jsonl` names a volume, its label map
and the targets in it; the true box on the target's middle slice is propagated, beside two controls.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medreasoner.geometry import mask_to_box
from medreasoner.imaging import ImageError, ViewSelection, Volume, load_volume
from medreasoner.imaging.read import GZIP, read_bytes, unzipped
from medreasoner.metrics import dice
from medreasoner.metrics.volumes import surface_dice
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.propagation import Propagator, propagator_of
from medreasoner.volume_masks import VolumeSlices, seed_component

TOLERANCE_MM = 2.0  # of the surfaces' distance


@dataclass(frozen=True)
class VolumeTarget:
    """One target of one volume. `mask` is (D, H, W) bool, as the volume's slices are shown."""

    volume_id: str
    name: str
    volume: Volume
    mask: np.ndarray

    @property
    def middle(self) -> int:
        """The middle one of the slices that hold the target, counted from 1."""
        slices = np.flatnonzero(self.mask.any(axis=(1, 2))) + 1
        return int(slices[len(slices) // 2])


@dataclass(frozen=True)
class VolumeScore:
    """How well a target was outlined in space.

    Args:
        dice, nsd: in 3D, 0..1; NSD within TOLERANCE_MM, None where the size of voxels is not known.
        key_dice: of the mask on the middle slice alone.
        key_only: 3D Dice of that mask with all other slices empty, a control.
        every_box: 3D Dice with the true box on every slice, without propagation: what the segmenter can do.
        slices: (first, last) of the mask; (0, 0) of an empty one. true_slices: of the target.
        by_distance: slices away from the middle one -> Dice there, the mean of both sides.
        seconds_per_slice: of propagation, encoding included.
    """

    volume_id: str
    name: str
    dice: float
    nsd: float | None
    key_dice: float
    key_only: float
    every_box: float
    slices: tuple[int, int]
    true_slices: tuple[int, int]
    by_distance: dict[int, float]
    seconds_per_slice: float


def volume_rows(folder: Path, only: str = "") -> list[dict]:
    """The rows of `folder/volumes.jsonl` whose id begins with `only`, one a volume."""
    lines = (folder / "volumes.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["id"].startswith(only)]


def targets_in(folder: Path, row: dict) -> Iterator[VolumeTarget]:
    """The targets of one of `volume_rows`.

    Errors: ImageError for a volume that cannot be read, or a label map on another grid.
    """
    volume = load_volume(folder / row["image"])
    labels = read_labels(folder / row["label"], volume)
    for target in row["targets"]:
        mask = labels == target["index"]
        if mask.any():
            yield VolumeTarget(row["id"], target["name"], volume, mask)


def read_labels(path: Path, volume: Volume) -> np.ndarray:
    """A NIfTI label map (D, H, W) as the slices of `volume` are shown. Errors: ImageError."""
    from medreasoner.imaging.nifti import open_nifti

    data = read_bytes(path)
    opened = open_nifti(unzipped(data) if data[:2] == GZIP else data, ViewSelection(axis=volume.axis))
    plane = opened.plane
    labels = np.stack([replace(plane, at=at).extract(opened.voxels) for at in range(opened.slices)])
    if labels.shape != volume.shape:
        raise ImageError(
            f"The label map {path.name} has the shape {labels.shape}, its volume {volume.shape}."
        )
    return labels


def score_target(
    target: VolumeTarget, segmenter: Segmenter, propagator: Propagator | None = None
) -> VolumeScore:
    """The true box on the middle slice, propagated. Errors: SegmenterError, ImageError."""
    propagator, volume, truth = propagator or propagator_of(segmenter), target.volume, target.mask
    slices, middle = _Kept(volume, segmenter), target.middle
    mask, started = np.zeros(truth.shape, bool), time.perf_counter()
    seeds = {middle: SegmenterPrompt(mask_to_box(truth[middle - 1]))}
    drawn = 0
    for one in propagator.propagate(slices, seeds):
        mask[one.number - 1], drawn = one.mask, drawn + 1
    seconds = (time.perf_counter() - started) / max(1, drawn)
    key = mask[middle - 1].copy()
    mask = seed_component(mask, {middle: key})
    alone, every = np.zeros(truth.shape, bool), np.zeros(truth.shape, bool)
    alone[middle - 1] = key
    for number in np.flatnonzero(truth.any(axis=(1, 2))) + 1:
        prompt = SegmenterPrompt(mask_to_box(truth[number - 1]))
        every[number - 1] = segmenter.segment(slices.encode(int(number)), prompt)[0]
    spacing = volume.spacing_mm
    return VolumeScore(
        target.volume_id,
        target.name,
        dice(mask, truth),
        None if spacing is None else surface_dice(mask, truth, spacing, TOLERANCE_MM),
        dice(key, truth[middle - 1]),
        dice(alone, truth),
        dice(every, truth),
        _extent(mask),
        _extent(truth),
        by_distance(mask, truth, middle),
        seconds,
    )


def by_distance(mask: np.ndarray, truth: np.ndarray, middle: int) -> dict[int, float]:
    """Slices away from `middle` -> mean Dice of the slices there that hold the mask or the target."""
    found: dict[int, list[float]] = {}
    for number in np.flatnonzero((mask | truth).any(axis=(1, 2))) + 1:
        found.setdefault(abs(int(number) - middle), []).append(dice(mask[number - 1], truth[number - 1]))
    return {away: float(np.mean(values)) for away, values in sorted(found.items())}


def means(scores: list[VolumeScore]) -> Mapping[str, float]:
    """Means over targets of the numbers of `VolumeScore`."""
    names = ("dice", "nsd", "key_dice", "key_only", "every_box", "seconds_per_slice")
    return {
        name: float(np.mean([value for one in scores if (value := getattr(one, name)) is not None]))
        for name in names
    }


def _extent(mask: np.ndarray) -> tuple[int, int]:
    filled = np.flatnonzero(mask.any(axis=(1, 2))) + 1
    return (int(filled[0]), int(filled[-1])) if len(filled) else (0, 0)


class _Kept(VolumeSlices):
    """Slices whose encodings are kept, because the controls ask for them again."""

    def __init__(self, volume: Volume, segmenter: Segmenter) -> None:
        super().__init__(volume, segmenter)
        self._all: dict[int, object] = {}

    def encode(self, number: int) -> object:
        if number not in self._all:
            self._all[number] = super().encode(number)
        return self._all[number]

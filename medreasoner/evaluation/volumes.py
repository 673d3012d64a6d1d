"""Scores of a segmenter in volumes with true masks: the true box on a target's middle slice is propagated,
beside two controls.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from medreasoner.evaluation.volume_targets import VolumeTarget
from medreasoner.geometry import mask_to_box
from medreasoner.imaging import Volume
from medreasoner.metrics import dice
from medreasoner.metrics.volumes import surface_dice
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.propagation import Propagator, propagator_of
from medreasoner.volume_masks import VolumeSlices, seed_component

TOLERANCE_MM = 2.0  # of the surfaces' distance


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
        seconds_per_slice: of propagation, a slice's encoding included. encode_seconds: of that encoding.
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
    encode_seconds: float = 0.0


def score_target(
    target: VolumeTarget,
    segmenter: Segmenter,
    propagator: Propagator | None = None,
    slices: "KeptSlices | None" = None,
) -> VolumeScore:
    """The true box on the middle slice, propagated.

    Args:
        slices: of the target's volume, where another of its targets was scored before.

    Errors: SegmenterError, ImageError.
    """
    volume, truth, middle = target.volume, target.mask, target.middle
    slices = slices or KeptSlices(volume, segmenter)
    mask, seconds = _propagated(target, slices, propagator or propagator_of(segmenter))
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
        nsd(mask, truth, spacing),
        dice(key, truth[middle - 1]),
        dice(alone, truth),
        dice(every, truth),
        extent(mask),
        extent(truth),
        by_distance(mask, truth, middle),
        seconds + slices.encode_seconds,
        slices.encode_seconds,
    )


def _propagated(
    target: VolumeTarget, slices: "KeptSlices", propagator: Propagator
) -> tuple[np.ndarray, float]:
    """The masks (D, H, W) bool from the true box, and the seconds per slice without the encodings."""
    mask, drawn = np.zeros(target.mask.shape, bool), 0
    started, encoding = time.perf_counter(), slices.seconds
    seeds = {target.middle: SegmenterPrompt(mask_to_box(target.mask[target.middle - 1]))}
    for one in propagator.propagate(slices, seeds):
        mask[one.number - 1], drawn = one.mask, drawn + 1
    seconds = time.perf_counter() - started - (slices.seconds - encoding)
    return mask, seconds / max(1, drawn)


def nsd(mask: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float] | None) -> float | None:
    """`metrics.volumes.surface_dice` within TOLERANCE_MM; None where the size of voxels is not known."""
    return None if spacing_mm is None else surface_dice(mask, truth, spacing_mm, TOLERANCE_MM)


def by_distance(mask: np.ndarray, truth: np.ndarray, middle: int) -> dict[int, float]:
    """Slices away from `middle` -> mean Dice of the slices there that hold the mask or the target."""
    found: dict[int, list[float]] = {}
    for number in np.flatnonzero((mask | truth).any(axis=(1, 2))) + 1:
        found.setdefault(abs(int(number) - middle), []).append(dice(mask[number - 1], truth[number - 1]))
    return {away: float(np.mean(values)) for away, values in sorted(found.items())}


def means(scores: list[VolumeScore]) -> Mapping[str, float]:
    """Means over targets of the numbers of `VolumeScore`."""
    names = ("dice", "nsd", "key_dice", "key_only", "every_box", "seconds_per_slice", "encode_seconds")
    return {
        name: float(np.mean([value for one in scores if (value := getattr(one, name)) is not None]))
        for name in names
    }


def extent(mask: np.ndarray) -> tuple[int, int]:
    """The first and last slice of a mask (D, H, W), counted from 1; (0, 0) of an empty one."""
    filled = np.flatnonzero(mask.any(axis=(1, 2))) + 1
    return (int(filled[0]), int(filled[-1])) if len(filled) else (0, 0)


class KeptSlices(VolumeSlices):
    """Slices whose encodings are kept, because the controls and a volume's other targets ask for them
    again.
    """

    def __init__(self, volume: Volume, segmenter: Segmenter) -> None:
        super().__init__(volume, segmenter)
        self.all: dict[int, object] = {}
        self.seconds = 0.0

    @property
    def encode_seconds(self) -> float:
        """Of one encoding, the mean."""
        return self.seconds / max(1, len(self.all))

    def encode(self, number: int) -> object:
        if number not in self.all:
            started = time.perf_counter()
            self.all[number] = super().encode(number)
            self.seconds += time.perf_counter() - started
        return self.all[number]

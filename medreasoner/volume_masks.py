"""The masks of a volume's slices: a volume as propagators take it, masks anew after corrections, and what
belongs to the target in space.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from PIL import Image
from scipy import ndimage

from medreasoner.imaging import Volume
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.propagation import Propagator, SliceMask, Slices, propagator_of, reaches

NEIGHBOURS = np.ones((3, 3, 3), bool)  # voxels that touch at a face, an edge or a corner


def refine_volume(
    volume: Volume,
    segmenter: Segmenter,
    seeds: Mapping[int, SegmenterPrompt],
    changed: int | None = None,
    stop: threading.Event | None = None,
    propagator: Propagator | None = None,
) -> Iterator[SliceMask]:
    """The masks anew, from corrections on any slices; the reasoner is not asked.

    Args:
        seeds: slice -> its corrected box, points and clicks; each holds for its slice and those nearer to it
            than to another.
        changed: the only seed that is another than before: just the slices of `reach` are drawn.

    Errors: SegmenterError, ImageError.
    """
    propagator, slices = propagator or propagator_of(segmenter), VolumeSlices(volume, segmenter)
    if changed is None:
        yield from propagator.propagate(slices, seeds, stop)
        return
    part = _Part(slices, reach(changed, seeds, slices.count))
    for one in propagator.propagate(part, {changed - part.before: seeds[changed]}, stop):
        yield replace(one, number=one.number + part.before)


def reach(seed: int, seeds: Iterable[int], slices: int) -> range:
    """The slices that are drawn from a seed: itself, and those nearer to it than to another one."""
    above, below = reaches(seed, sorted(seeds), slices)
    return range(min(below, default=seed), max(above, default=seed) + 1)


class _Part:
    """Some neighbouring slices of a stack as a stack of their own, see `propagation.Slices`."""

    def __init__(self, slices: Slices, part: range) -> None:
        self.count, self.before, self._slices = len(part), part.start - 1, slices

    def picture(self, number: int) -> Image.Image:
        return self._slices.picture(number + self.before)

    def encode(self, number: int) -> object:
        return self._slices.encode(number + self.before)


class VolumeSlices:
    """The slices of a volume for a propagator, see `propagation.Slices`. One picture is kept, for a slice is
    asked for as a picture and as an encoding.

    Args:
        features: slice -> what the reasoner's encoder made of it, for a segmenter that shares it; dropped
            when used.
        encoded: slice -> what the segmenter made of it already; dropped when used.
    """

    def __init__(
        self,
        volume: Volume,
        segmenter: Segmenter,
        features: Mapping[int, object] | None = None,
        encoded: Mapping[int, object] | None = None,
    ) -> None:
        self.count, self._volume, self._segmenter = volume.shape[0], volume, segmenter
        self._features, self._encoded = dict(features or {}), dict(encoded or {})
        self._kept: tuple[int, Image.Image] | None = None

    def picture(self, number: int) -> Image.Image:
        """See `Slices.picture`. Errors: ImageError."""
        if self._kept is None or self._kept[0] != number:
            self._kept = number, self._volume.picture(number)
        return self._kept[1]

    def encode(self, number: int) -> object:
        """See `Slices.encode`. Errors: ImageError, SegmenterError."""
        if number in self._encoded:
            return self._encoded.pop(number)
        return self._segmenter.encode(self.picture(number), self._features.pop(number, None))


def seed_component(mask: np.ndarray, seeds: Mapping[int, np.ndarray]) -> np.ndarray:
    """The parts of a mask (D, H, W) that are connected in space with the masks (H, W) of the seeds'
    slices.
    """
    found = np.zeros_like(mask)
    rows, columns = (_range_of(mask.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    # labels take four bytes a voxel, four times what the mask does: only the box around it is labelled
    labels, count = ndimage.label(mask[:, rows, columns], NEIGHBOURS)
    kept = np.zeros(count + 1, bool)
    for number, seed in seeds.items():
        kept[labels[number - 1][seed[rows, columns]]] = True
    kept[0] = False
    np.take(kept, labels, out=found[:, rows, columns])
    return found


def _range_of(filled: np.ndarray) -> slice:
    """From the first to the last True of a line; empty where there is none."""
    at = np.flatnonzero(filled)
    return slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 0)

"""Grows a mask through a volume without a memory, with any segmenter: on each further slice the last one's
logits, where the segmenter takes them, and its box, slightly grown, are the prompt.

The target has ended where the segmenter doubts its mask more than the one it began with, where the mask
jumps, or where it no longer looks like that one.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from medreasoner.geometry import Box, mask_to_box
from medreasoner.segmenters.appearance import Appearance, smooth_gray
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.propagation import MaskPromptSegmenter, SliceMask, Slices, reaches

# a pixel of what segmenters see; one of a small image is much to them, and a box that grows by it at every
# slice spreads
PIXEL = 1 / 512


@dataclass(frozen=True)
class Limits:
    """When the target has ended; chosen on true boxes, see docs/experiments/volumes.md.

    Args:
        grow: by so much of its sides the last box is grown on each side for the next slice.
        score: below this predicted IoU a mask counts as none.
        doubted: of a target that the segmenter doubts on its first slice already, below this share of the
            predicted IoU there.
        larger, smaller: the most and the least that a mask's area may be of the last one's.
        overlap: the least share of the smaller of two neighbouring masks that lies in the other.
        like: the least share of a mask that looks like the seed's, see `appearance`.
        drift: by so much of the seed's range of grey values each end of it may move from slice to slice.
        redraw: below this share the box is drawn tight around what looks like it, and the mask once more in
            it.
    """

    grow: float = 0.02
    score: float = 0.6
    doubted: float = 0.8
    larger: float = 2.0
    smaller: float = 0.15
    overlap: float = 0.2
    like: float = 0.5
    redraw: float = 0.8
    drift: float = 0.015


class WithoutLogits:
    """A segmenter that takes no mask as a prompt, used as a `MaskPromptSegmenter`: the box alone leads it
    on.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.name, self._segmenter = segmenter.name, segmenter

    def segment_after(
        self, encoded: object, prompt: SegmenterPrompt, logits: np.ndarray | None
    ) -> tuple[np.ndarray, float, np.ndarray | None]:
        """See `MaskPromptSegmenter.segment_after`; logits are neither used nor given."""
        return *self._segmenter.segment(encoded, prompt), None


class MaskPropagator:
    """See `Propagator`; without memory, so that a slice knows only the one before."""

    def __init__(self, segmenter: MaskPromptSegmenter, limits: Limits | None = None) -> None:
        self.name, self._segmenter, self._limits = segmenter.name, segmenter, limits or Limits()

    def propagate(
        self,
        slices: Slices,
        seeds: Mapping[int, SegmenterPrompt],
        stop: threading.Event | None = None,
    ) -> Iterator[SliceMask]:
        """See `Propagator.propagate`."""
        stop = stop or threading.Event()
        begun = {}
        for number, prompt in sorted(seeds.items()):
            if stop.is_set():
                return
            mask, score, logits = self._segmenter.segment_after(slices.encode(number), prompt, None)
            begun[number] = (mask, score, logits)
            yield SliceMask(number, mask, score)
        for seed, (mask, score, logits) in begun.items():
            if not mask.any():
                continue
            looks = Appearance.of(smooth_gray(slices.picture(seed)), mask)
            for way in reaches(seed, sorted(begun), slices.count):
                yield from self._follow(way, slices, (mask, score, logits), looks, stop)

    def _follow(
        self,
        way: range,
        slices: Slices,
        begun: tuple[np.ndarray, float, np.ndarray],
        looks: Appearance,
        stop: threading.Event,
    ) -> Iterator[SliceMask]:
        """The slices of `way` one after the other, until the target has ended; `begun` is (mask, predicted
        IoU, logits) of the seed.
        """
        before, first, logits = begun
        least = min(self._limits.score, self._limits.doubted * first)
        most = self._limits.drift * (looks.high - looks.low)
        for number in way:
            if stop.is_set():
                return
            encoded, gray = slices.encode(number), smooth_gray(slices.picture(number))
            mask, score, logits = self._drawn(encoded, before, logits)
            if not mask.any() or score < least:
                return
            like = looks.part_of(mask, gray, before)
            share = np.count_nonzero(like) / np.count_nonzero(mask)
            if share < self._limits.like:
                return
            if share < self._limits.redraw:
                mask, score, logits = self._drawn(encoded, like, None)
            if not self._continues(before, mask):
                return
            yield SliceMask(number, mask, score)
            before, looks = mask, looks.towards(Appearance.of(gray, mask), most)

    def _drawn(
        self, encoded: object, region: np.ndarray, logits: np.ndarray | None
    ) -> tuple[np.ndarray, float, np.ndarray]:
        """(mask, predicted IoU, logits) in the box of a region."""
        box = grown(mask_to_box(region), self._limits.grow, region.shape)
        return self._segmenter.segment_after(encoded, SegmenterPrompt(box), logits)

    def _continues(self, before: np.ndarray, mask: np.ndarray) -> bool:
        """Whether a mask can be the same target's as that of the slice before."""
        limits, area, last = self._limits, np.count_nonzero(mask), np.count_nonzero(before)
        if not area or not limits.smaller * last <= area <= limits.larger * last:
            return False
        return bool(np.count_nonzero(mask & before) >= limits.overlap * min(area, last))


def grown(box: Box, share: float, shape: tuple[int, int]) -> Box:
    """A box with `share` of its sides, and at least PIXEL of the image's longer side, added on each side,
    within an image (H, W).
    """
    left, top, right, bottom = box
    least = PIXEL * max(shape)
    across, down = max(least, share * (right - left)), max(least, share * (bottom - top))
    height, width = shape
    return (
        max(0.0, left - across),
        max(0.0, top - down),
        min(float(width), right + across),
        min(float(height), bottom + down),
    )

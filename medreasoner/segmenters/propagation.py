"""What grows the mask of one slice through a volume: the protocol, and which propagator suits a segmenter.

`mask_propagation.py` works with any segmenter and has no memory; `sam2_video.py` has that of SAM 2.
"""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from medreasoner.segmenters.base import Segmenter, SegmenterPrompt


class Slices(Protocol):
    """The slices of a volume, counted from 1, as a propagator takes them."""

    count: int

    def picture(self, number: int) -> Image.Image:
        """One slice, RGB."""

    def encode(self, number: int) -> object:
        """What the segmenter made of one slice; asked for once for each."""


@dataclass(frozen=True)
class SliceMask:
    """The mask of one slice.

    Args:
        number: of the slice, counted from 1.
        mask: (H, W) bool.
        score: the segmenter's own estimate of the mask's IoU, 0..1.
    """

    number: int
    mask: np.ndarray
    score: float


class Propagator(Protocol):
    """Grows masks through a volume."""

    name: str

    def propagate(
        self,
        slices: Slices,
        seeds: Mapping[int, SegmenterPrompt],
        stop: threading.Event | None = None,
    ) -> Iterator[SliceMask]:
        """The mask of every slice that the target reaches, the seeds first; others are left out.

        Args:
            seeds: slice -> what was asked or corrected there. A slice between two of them is reached from the
                nearer one.
            stop: set it to end within a slice.

        Errors: SegmenterError, and those of `slices`.
        """


@runtime_checkable
class HasPropagator(Protocol):
    """A segmenter with a propagator of its own."""

    def propagator(self) -> Propagator | None:
        """None where the weights that it needs are absent."""


@runtime_checkable
class MaskPromptSegmenter(Protocol):
    """A segmenter that takes the logits of another mask as a further prompt."""

    name: str

    def segment_after(
        self, encoded: object, prompt: SegmenterPrompt, logits: np.ndarray | None
    ) -> tuple[np.ndarray, float, np.ndarray]:
        """(mask (H, W) bool, predicted IoU 0..1, logits (S, S) float32) for a prompt and the logits of a mask
        that was drawn before, on this or on a neighbouring slice. Errors: SegmenterError.
        """


def propagator_of(segmenter: Segmenter) -> Propagator:
    """The propagator that suits a segmenter: its own, which has a memory, else one without."""
    if isinstance(segmenter, HasPropagator) and (own := segmenter.propagator()) is not None:
        return own
    from medreasoner.segmenters.mask_propagation import MaskPropagator, WithoutLogits

    takes_logits = isinstance(segmenter, MaskPromptSegmenter)
    return MaskPropagator(segmenter if takes_logits else WithoutLogits(segmenter))


def reaches(seed: int, seeds: list[int], slices: int) -> tuple[range, range]:
    """The slices above and below a seed that are reached from it: to the ends of the volume, or half way to
    the next seed; of two seeds equally near the lower one.
    """
    above = min((other for other in seeds if other > seed), default=None)
    below = max((other for other in seeds if other < seed), default=None)
    last = slices if above is None else (seed + above) // 2
    first = 1 if below is None else (seed + below) // 2 + 1
    return range(seed + 1, last + 1), range(seed - 1, first - 1, -1)

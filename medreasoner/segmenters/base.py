"""The anatomical segmentation module (ASM) as a protocol, and the way to open one.

Is: box + two points -> mask. Is not: any model; those are in `segmenters/`.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding

Click = tuple[
    float, float, bool
]  # x, y in pixels of the original image; True: this belongs to the target, False: it does not


PROMPTS = (
    "both",
    "box",
    "points",
)  # what a segmenter may be shown; one whose `draws_from` does not say otherwise needs both


class Segmenter(Protocol):
    name: str
    revision: str | None  # commit on the Hub that the weights come from, None for local ones

    def encode(self, image: Image.Image, features: object = None) -> object:
        """Take in an RGB image once, or adopt the `features` of a reasoner that shares this encoder; the result goes to `segment`."""

    def segment(
        self, encoded: object, grounding: Grounding, clicks: Sequence[Click] = ()
    ) -> tuple[np.ndarray, float]:
        """(mask (H, W) bool in the original image's size, predicted IoU 0..1) for box and points in pixels of the original image, and what
        a person has clicked besides."""


class SegmenterError(RuntimeError):
    """The segmenter could not be loaded or run; the message says what was expected, what came and what to do. `unreachable` is True when
    the Hub did not answer, so that another source may be tried."""

    def __init__(self, message: str, unreachable: bool = False):
        super().__init__(message)
        self.unreachable = unreachable

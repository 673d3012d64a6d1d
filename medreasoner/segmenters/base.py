"""What every promptable segmenter offers (the anatomical segmentation module, ASM): box, points and clicks
in, mask out.

One file per family implements it (`sam.py`, `sam2.py`, `sam2_package.py`); `registry.py` opens one by its
name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from medreasoner.geometry import Box, Grounding, Point

Click = tuple[float, float, bool]  # x, y in pixels of the original image; True: inside the target, False: not

# Parts of a reasoner's answer that a segmenter can use. One whose `draws_from` does not say otherwise needs
# both box and points.
PROMPTS = ("both", "box", "points")

# The segmenter for a model that has none of its own: the published system's, on the Hub. CC-BY-SA-4.0
MEDSAM2 = "wanglab/MedSAM2"


@dataclass(frozen=True)
class SegmenterPrompt:
    """What to outline, in pixels of the original image. At least one of the three is given.

    Args:
        box: xyxy, half-open; None for a prompt without a box.
        points: key points inside the target, as the reasoner gave them.
        clicks: corrections by a person, inside or outside the target.
    """

    box: Box | None = None
    points: tuple[Point, ...] = ()
    clicks: tuple[Click, ...] = ()

    def __post_init__(self) -> None:
        if self.box is None and not self.points and not self.clicks:
            raise ValueError("a segmenter needs a box, a point or a click; none was given")

    @staticmethod
    def of(grounding: Grounding, clicks: Sequence[Click] = ()) -> "SegmenterPrompt":
        """Box and both points of `grounding`, and further `clicks`."""
        return SegmenterPrompt(grounding.box, tuple(grounding.points), tuple(clicks))

    def labelled_points(self) -> tuple[list[Point], list[int]]:
        """Points and clicks together, with SAM's label of each: 1 inside the target, 0 outside."""
        points = [*self.points, *((x, y) for x, y, _ in self.clicks)]
        return points, [1] * len(self.points) + [int(inside) for _, _, inside in self.clicks]


class Segmenter(Protocol):
    """A promptable segmenter. Encode an image once, then draw any number of masks in it."""

    name: str
    revision: str | None  # commit on the Hub that the weights come from, None for local ones

    def encode(self, image: Image.Image, features: object = None) -> object:
        """Encode an RGB image; the result is the first argument of `segment`.

        Args:
            features: the maps that a reasoner with the same encoder made of it (`EncodedImage.features`);
                used instead where they fit.

        Errors: SegmenterError.
        """

    def segment(self, encoded: object, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        """(mask (H, W) bool in the original image's size, predicted IoU 0..1) for one prompt. Errors:
        SegmenterError.
        """


@runtime_checkable
class BatchSegmenter(Protocol):
    """A segmenter that draws several masks in one image in one call."""

    def segment_many(
        self, encoded: object, prompts: Sequence[SegmenterPrompt]
    ) -> list[tuple[np.ndarray, float]]:
        """`Segmenter.segment` for each prompt. All have a box or none has, and the same number of points and
        clicks. Errors: SegmenterError; ValueError for prompts of different shapes.
        """


def check_alike(prompts: Sequence[SegmenterPrompt]) -> None:
    """Refuse prompts that cannot be one batch. Errors: ValueError."""
    if len({(p.box is None, len(p.points) + len(p.clicks)) for p in prompts}) > 1:
        raise ValueError("prompts of one batch must all have a box or none, and the same number of points")


class SegmenterError(RuntimeError):
    """The segmenter could not be loaded or run. The message says what was expected, what came and what to do.

    `unreachable` is True when the Hub did not answer, so that another source may be tried.
    """

    def __init__(self, message: str, unreachable: bool = False) -> None:
        super().__init__(message)
        self.unreachable = unreachable

"""The two stages of an evaluation, each on its own terms: the reasoner's answers, live, many at once or from another run; and the
segmenter's masks, from box, points or both.

Is: wrappers that obey the same protocols as what they wrap, so that every answer still goes through `pipeline.ground`.
Is not: a model, a record or a score.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from medreasoner.geometry import Frame
from medreasoner.reasoners.base import EncodedImage, Reasoner, ReasonerError
from medreasoner.reasoners.dialects import NO_POINTS
from medreasoner.segmenters.base import PROMPTS, Segmenter, SegmenterPrompt

KEEP = 512  # images whose encoding is kept for later passes: 1.6 MB each for the embedded model


class CachingReasoner:
    """A reasoner that encodes an image once, however many questions and passes over the samples look at it.

    Kept are the latest look, and of earlier ones that cost an encoding what the language model needs of it (`EncodedImage.inputs`, not `features`):
    those of the first KEEP images, because every pass takes the images in the same order, and the latest would be gone when its turn comes.

    Args:
        frame: reads the model's numbers as if they were in this frame; None leaves the reasoner its own.
    """

    def __init__(self, reasoner: Reasoner, frame: Frame | None = None):
        self.name, self.revision, self.prompt = reasoner.name, reasoner.revision, reasoner.prompt
        self.frame, self.paired_segmenter = frame or reasoner.frame, None
        self.reasoner = reasoner
        self._kept: tuple[Image.Image, EncodedImage] | None = None
        self._encoded: dict[bytes, EncodedImage] = {}

    def encode(self, image: Image.Image) -> EncodedImage:
        if self._kept is None or self._kept[0] is not image:
            self._kept = None  # the old one may go before the new one comes
            self._kept = image, self._seen(image)
        return self._kept[1]

    def _seen(self, image: Image.Image) -> EncodedImage:
        key = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
        if key in self._encoded:
            return self._encoded[key]
        encoded = self.reasoner.encode(image)
        if encoded.inputs and len(self._encoded) < KEEP:
            self._encoded[key] = replace(encoded, features=None)
        return encoded

    def input_wh(self, image: Image.Image) -> tuple[int, int] | None:
        """The size in which `image` was looked at last, None if it was not."""
        return self._kept[1].input_wh if self._kept is not None and self._kept[0] is image else None

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        return self.reasoner.stream(encoded, question, think, stop)


class ReplayedAnswer:
    """A reasoner that repeats what was said before: by a batch, or by a model whose answers another run wrote down.

    Args:
        text: what it said. error: what it failed with instead, None if it did not. input_wh: of the image as it saw it.
        frame: in which its numbers are to be read.
    """

    paired_segmenter = None

    def __init__(self, like: CachingReasoner, text: str, input_wh: tuple[int, int], error: str | None = None):
        self.name, self.revision, self.frame, self.prompt = like.name, like.revision, like.frame, like.prompt
        self._text, self._error, self._input_wh = text, error, input_wh

    def encode(self, image: Image.Image) -> EncodedImage:
        return EncodedImage(image, self._input_wh)

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        yield self._text
        if self._error is not None:
            raise ReasonerError(self._error)


class CachingSegmenter:
    """A segmenter that keeps its latest encoding, and draws from what it is allowed to see.

    Args:
        prompts: "both", or "box" or "points" alone.
    """

    def __init__(self, segmenter: Segmenter, prompts: str = "both"):
        if prompts not in PROMPTS:
            raise ValueError(f"prompts must be one of {', '.join(PROMPTS)}, got {prompts!r}")
        self.name, self.revision, self.prompts = segmenter.name, segmenter.revision, prompts
        self.segmenter = segmenter
        self._kept: list[
            tuple[Image.Image, object]
        ] = []  # one at most; the same list in all that `seeing` makes

    def encode(self, image: Image.Image, features: object = None) -> object:
        kept = self._kept[:]  # an image left behind by a failed run may still be encoded in another thread
        if not kept or kept[0][0] is not image:
            kept = [(image, self.segmenter.encode(image, features))]
            self.keep(*kept[0])
        return kept[0][1]

    def keep(self, image: Image.Image, encoded: object) -> None:
        """Take `encoded`, which this segmenter made of `image` before, for its latest encoding."""
        self._kept[:] = [(image, encoded)]

    def segment(self, encoded: object, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return self.segmenter.segment(encoded, only(prompt, self.prompts))

    def seeing(self, prompts: str) -> "CachingSegmenter":
        """The same, with its latest encoding, drawing from `prompts`."""
        other = CachingSegmenter(self.segmenter, prompts)
        other._kept = self._kept
        return other


def only(prompt: SegmenterPrompt, prompts: str) -> SegmenterPrompt:
    """The part of `prompt` that `prompts` ("both", "box" or "points") lets a segmenter see."""
    if prompts == "box":
        return replace(prompt, points=())
    return replace(prompt, box=None) if prompts == "points" else prompt


def draws_from(segmenter: Segmenter) -> tuple[str, ...]:
    """From which prompts `segmenter` can draw; one that does not say needs both."""
    return getattr(segmenter, "draws_from", PROMPTS[:1])


def points_given(text: str) -> bool:
    """Whether the points of an answer are the model's own, not the ones that stand in where its dialect has none."""
    return NO_POINTS not in text


class NoSegmenter:
    """A segmenter for runs that ask only for boxes; its mask is the whole image."""

    name, revision = "none", None

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        return image.size

    def segment(self, encoded: tuple[int, int], prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return np.ones(encoded[::-1], bool), 0.0

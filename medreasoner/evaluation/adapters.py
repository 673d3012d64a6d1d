"""Reasoners and segmenters as evaluation wraps them: caching encodings, replaying answers, limiting prompts.

They obey the protocols of what they wrap, so every answer, also a saved one, goes through `pipeline.ground`.
"""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from PIL import Image

from medreasoner.certainty import UNKNOWN, Certainty, Closing
from medreasoner.confidence import Calibration
from medreasoner.geometry import Frame
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import EncodedImage, Reasoner, ReasonerError
from medreasoner.reasoners.dialects import NO_POINTS
from medreasoner.segmenters.base import PROMPTS, Segmenter, SegmenterPrompt

CACHED_IMAGES = 512  # whose encoding is kept for later passes: 1.6 MB each for the embedded model


class CachingReasoner:
    """A reasoner that encodes an image once, however many questions and passes over the samples are about it.

    It holds all of the latest encoding, and of earlier ones only what the language model needs
    (`EncodedImage.inputs`), for the first CACHED_IMAGES images: every pass takes the images in the same
    order, so the latest ones would be gone when their turn comes.

    Args:
        frame: reads the model's numbers as if they were in this frame; None leaves the reasoner its own.
    """

    def __init__(self, reasoner: Reasoner, frame: Frame | None = None) -> None:
        self.name, self.revision, self.prompt = reasoner.name, reasoner.revision, reasoner.prompt
        self.frame = frame or reasoner.frame
        self.calibration, self.thinks_on_request = reasoner.calibration, reasoner.thinks_on_request
        self.reasoner, self.paired_segmenter = reasoner, reasoner.paired_segmenter
        self._latest: tuple[Image.Image, EncodedImage] | None = None
        self._cache: dict[bytes, EncodedImage] = {}  # by the pixels' digest

    def encode(self, image: Image.Image) -> EncodedImage:
        if self._latest is None or self._latest[0] is not image:
            self._latest = None  # frees the old encoding before the new one is made
            self._latest = image, self._cached(image)
        return self._latest[1]

    def _cached(self, image: Image.Image) -> EncodedImage:
        key = hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest()
        if key in self._cache:
            return self._cache[key]
        encoded = self.reasoner.encode(image)
        if encoded.inputs and len(self._cache) < CACHED_IMAGES:
            self._cache[key] = replace(encoded, features=None)
        return encoded

    def input_wh(self, image: Image.Image) -> tuple[int, int] | None:
        """The size in which `image` was encoded last, None if it was not."""
        latest = self._latest
        return latest[1].input_wh if latest is not None and latest[0] is image else None

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        return self.reasoner.stream(encoded, question, think, stop)


class ReplayedAnswer:
    """A reasoner that repeats one answer: of a batch, or of another run.

    Args:
        name: of the model that gave it. frame: in which its numbers are read.
        text: what the model wrote. input_wh: (width, height) of the image as the model saw it.
        error: the message with which the model failed, None if it did not.
        certainty, calibration: the model's, for its confidence.
    """

    revision, paired_segmenter, prompt = None, None, Prompt()
    thinks_on_request = False

    def __init__(
        self,
        name: str,
        frame: Frame,
        text: str,
        input_wh: tuple[int, int],
        error: str | None = None,
        *,
        certainty: Certainty = UNKNOWN,
        calibration: Calibration | None = None,
    ) -> None:
        self.name, self.frame = name, frame
        self.text, self.input_wh, self.error = text, input_wh, error
        self.certainty, self.calibration = certainty, calibration

    def encode(self, image: Image.Image) -> EncodedImage:
        return EncodedImage(image, self.input_wh)

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        yield Closing(self.text, self.certainty)
        if self.error is not None:
            raise ReasonerError(self.error)


class CachingSegmenter:
    """A segmenter that holds its latest encoding, and uses only the part of a prompt that it is allowed to.

    Args:
        prompts: "both", or "box" or "points" alone.
    """

    def __init__(self, segmenter: Segmenter, prompts: str = "both") -> None:
        if prompts not in PROMPTS:
            raise ValueError(f"prompts must be one of {', '.join(PROMPTS)}, got {prompts!r}")
        self.name, self.revision, self.prompts = segmenter.name, segmenter.revision, prompts
        self.segmenter = segmenter
        self._latest: list[
            tuple[Image.Image, object]
        ] = []  # at most one; shared with what `restricted` returns

    def encode(self, image: Image.Image, features: object = None) -> object:
        # a copy: an image left behind by a failed run may still be encoded in a thread
        latest = self._latest[:]
        if not latest or latest[0][0] is not image:
            latest = [(image, self.segmenter.encode(image, features))]
            self.remember(*latest[0])
        return latest[0][1]

    def remember(self, image: Image.Image, encoded: object) -> None:
        """Take `encoded`, which this segmenter made of `image` before, for its latest encoding."""
        self._latest[:] = [(image, encoded)]

    def segment(self, encoded: object, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return self.segmenter.segment(encoded, only(prompt, self.prompts))

    def restricted(self, prompts: str) -> "CachingSegmenter":
        """The same segmenter with the same latest encoding, using `prompts`."""
        other = CachingSegmenter(self.segmenter, prompts)
        other._latest = self._latest
        return other


class NoSegmenter:
    """A segmenter for runs that ask only for boxes; its mask is the whole image."""

    name, revision = "none", None

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        return image.size

    def segment(self, encoded: tuple[int, int], prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return np.ones(encoded[::-1], bool), 0.0


def only(prompt: SegmenterPrompt, prompts: str) -> SegmenterPrompt:
    """The part of `prompt` that `prompts` ("both", "box" or "points") lets a segmenter see."""
    if prompts == "box":
        return replace(prompt, points=())
    return replace(prompt, box=None) if prompts == "points" else prompt


def draws_from(segmenter: Segmenter) -> tuple[str, ...]:
    """From which prompts `segmenter` can draw; one that does not say needs both."""
    return getattr(segmenter, "draws_from", PROMPTS[:1])


def points_given(text: str) -> bool:
    """Whether the points of an answer are the model's own, not those that stand in where its dialect has
    none."""
    return NO_POINTS not in text

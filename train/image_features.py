"""The interface through which training reads cached outputs of frozen image encoders;
`train/embedded/features.py` implements it."""

from typing import Protocol

import numpy as np
from PIL import Image
from transformers import PreTrainedModel

from medreasoner.segmenters.base import Segmenter, SegmenterPrompt


class ImageFeatures(Protocol):
    """Cached outputs of the frozen image encoders of a model and its segmenter."""

    def attach(self, model: PreTrainedModel) -> None:
        """Let the model's vision tower answer from the cache for the images that are in it."""

    def encode(self, segmenter: Segmenter, image: Image.Image) -> object:
        """What `segmenter.encode(image)` returns, from the cache where it holds it."""


class CachedSegmenter:
    """A segmenter whose encodings of images come from a cache of features."""

    def __init__(self, segmenter: Segmenter, features: ImageFeatures) -> None:
        self.name, self.revision = segmenter.name, segmenter.revision
        self.segmenter, self.features = segmenter, features

    def encode(self, image: Image.Image, features: object = None) -> object:
        return self.features.encode(self.segmenter, image)

    def segment(self, encoded: object, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        return self.segmenter.segment(encoded, prompt)

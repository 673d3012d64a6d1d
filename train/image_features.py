"""The interface through which training reads cached outputs of frozen image encoders;
`train/embedded/features.py` implements it."""

from typing import Protocol

from PIL import Image
from transformers import PreTrainedModel

from medreasoner.segmenters.base import Segmenter


class ImageFeatures(Protocol):
    """Cached outputs of the frozen image encoders of a model and its segmenter."""

    def attach(self, model: PreTrainedModel) -> None:
        """Let the model's vision tower answer from the cache for the images that are in it."""

    def encode(self, segmenter: Segmenter, image: Image.Image) -> object:
        """What `segmenter.encode(image)` returns, from the cache where it holds it."""

"""A sample with its files read: image, truth and mask."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.sample import Sample, SampleError
from medreasoner.geometry import Grounding

# the target's share of the image: limit, words
SIZES = (
    (0.01, "under 1 %"),
    (0.05, "1 to 5 %"),
    (1.01, "over 5 %"),
)


@dataclass(frozen=True)
class OpenedSample:
    """A sample with what its files hold.

    Args:
        image: RGB. truth: in its pixels, None where the target is not in the image.
        mask: (H, W) bool, None where there is none or it is not wanted.
    """

    sample: Sample
    image: Image.Image
    truth: Grounding | None
    mask: np.ndarray | None

    @property
    def size(self) -> str | None:
        """The target's share of the image in words, see SIZES; None without a target."""
        if self.truth is None:
            return None
        x1, y1, x2, y2 = self.truth.box
        pixels = (x2 - x1) * (y2 - y1) if self.mask is None else float(self.mask.sum())
        share = pixels / (self.image.width * self.image.height)
        return next(words for limit, words in SIZES if share < limit)


class SampleOpener:
    """Opens samples, with or without their masks. An image that several in a row share is read once and stays
    one object."""

    def __init__(self, masks: bool) -> None:
        self._masks = masks
        self._source: Path | bytes | None = None
        self._image: Image.Image | None = None

    def open(self, sample: Sample) -> OpenedSample:
        """`Sample.absent`, or a mask without a set pixel and no box, means that the target is absent. Errors:
        ImageError, SampleError."""
        if sample.image != self._source:
            self._image = sample.load_image()
            self._source = sample.image
        image, mask = self._image, None
        if sample.mask is not None and (self._masks or sample.box is None):
            mask = sample.load_mask()
            if mask.shape != image.size[::-1]:
                mask_wh = f"{mask.shape[1]} x {mask.shape[0]} pixels"
                raise SampleError(f"the mask is {mask_wh}, the image {image.width} x {image.height}")
        absent = sample.absent or (mask is not None and not mask.any() and sample.box is None)
        return OpenedSample(sample, image, None if absent else sample.truth(), mask if self._masks else None)

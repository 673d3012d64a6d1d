"""The size an image is brought to before a model's own processor sees it."""

from dataclasses import dataclass

from PIL import Image

from medreasoner.manifest import Manifest
from medreasoner.reasoners.families import ANY_OTHER, Family


@dataclass(frozen=True)
class InputSize:
    """How large a model is given its images.

    Args:
        square: side in pixels to which each image is resized, its aspect not kept; None leaves the size as it
            is up to `max_pixels`.
        max_pixels: a larger image is scaled down to this area.
    """

    square: int | None = None
    max_pixels: int = ANY_OTHER.max_pixels

    @staticmethod
    def of(manifest: Manifest, family: Family) -> "InputSize":
        """What the checkpoint says, else its family."""
        return InputSize(manifest.square or family.square, manifest.max_pixels or family.max_pixels)

    def wh(self, image_wh: tuple[int, int], multiple_of: int = 1) -> tuple[int, int]:
        """The (width, height) that an image of `image_wh` is resized to; without `square`, both multiples of
        `multiple_of`.
        """
        if self.square is not None:
            return self.square, self.square
        width, height = image_wh
        shrink = max(1.0, width * height / self.max_pixels) ** 0.5
        width, height = (
            max(multiple_of, round(side / shrink / multiple_of) * multiple_of) for side in image_wh
        )
        return width, height

    def resized(self, image: Image.Image, multiple_of: int = 1) -> Image.Image:
        """`image` in that size; itself if nothing changes."""
        size = self.wh(image.size, multiple_of)
        if size == image.size:
            return image
        gap = None if self.square is not None else 3.0  # an exact square is what checkpoints were trained on
        return image.resize(size, Image.Resampling.BICUBIC, reducing_gap=gap)


DEFAULT_SIZE = InputSize()

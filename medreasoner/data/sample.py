"""One question about one image, with its ground truth; training, evaluation and the page share it.

Image and mask are read only when asked for. File formats are not here (see `data/load.py`).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.geometry import Box, Grounding, Point, mask_to_box, mask_to_points
from medreasoner.imaging import load_image
from medreasoner.imaging.mask_file import MaskError, read_mask_image
from medreasoner.messages import short


class SampleError(ValueError):
    """The image or mask of a sample cannot be used; the message names the sample and what came."""


@dataclass(frozen=True)
class Sample:
    """A question, its image and where the answer is.

    Args:
        id: unique in its set.
        case: the patient or study, by which confidence intervals are clustered.
        image, mask: a file, or the bytes of one. The mask is 0/1 or 0/255 in the image's size; None where
            only the box is known.
        box, points: the ground truth in pixels of the original image; None where it follows from the mask
            (see `truth`). Without a mask both are stated.
        others: boxes of the other targets in the same image, for "does the answer fit the asked one better".
        absent: the right answer is that the image does not show the target; mask, box and points are None.
        target: name of the category in the taxonomy, "" where not stated; `category` may say a side too.
        side, image_side: of the patient and of the image, "left" or "right" for one of a pair, "" where
            not known.
    """

    id: str
    image: Path | bytes = field(repr=False)
    mask: Path | bytes | None = field(repr=False)
    question: str
    modality: str
    category: str
    case: str
    supercategory: str = ""
    box: Box | None = None
    points: tuple[Point, Point] | None = None
    think: str = ""
    others: tuple[Box, ...] = ()
    absent: bool = False
    target: str = ""
    side: str = ""
    image_side: str = ""

    def load_image(self) -> Image.Image:
        """The image as RGB, read the way the page reads an upload. Errors: ImageError."""
        return load_image(self.image).image

    def load_mask(self) -> np.ndarray:
        """(H, W) bool, exactly as stored, never resized.

        Errors: SampleError if there is none, it cannot be decoded, or holds other values than 0/1 or 0/255.
        """
        if self.mask is None:
            raise SampleError(f"sample {short(self.id)} has no mask, only a box")
        try:
            levels = _levels(read_mask_image(self.mask))
        except MaskError as error:
            raise SampleError(
                f"the mask of sample {short(self.id)} is no readable picture ({error})"
            ) from error
        found = np.unique(levels)
        if not (set(found) <= {0, 1} or set(found) <= {0, 255}):
            raise SampleError(
                f"the mask of sample {short(self.id)} must hold 0 and 1, or 0 and 255; "
                f"it holds {found[:6].tolist()}…"
            )
        return levels > 0

    def truth(self) -> Grounding:
        """Box and points in pixels of the original image: as stated, else measured from the mask.

        Errors: SampleError.
        """
        if self.absent:
            raise SampleError(f"sample {short(self.id)} asks for what is not in its image, so it has no box")
        if self.box is not None and self.points is not None:
            return Grounding(self.box, self.points)
        mask = self.load_mask()
        if not mask.any():
            raise SampleError(f"the mask of sample {short(self.id)} is empty, so it has no box")
        return Grounding(self.box or mask_to_box(mask), self.points or mask_to_points(mask))


def _levels(image: Image.Image) -> np.ndarray:
    """The values (H, W) uint8 of a mask: a palette's indices, or the brightest channel of a colour image."""
    if image.mode in ("L", "P"):
        return np.asarray(image, np.uint8)
    return np.asarray(image.convert("RGB"), np.uint8).max(axis=2)

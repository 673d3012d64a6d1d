"""Whether a region looks like the one it was followed from: by the grey values of its pixels.

A promptable segmenter draws something in every box, also beyond the end of a target; what it drew there
mostly has other grey values.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

BLUR = 1.0  # standard deviation in pixels; single pixels are noise
TAILS = 0.03  # share of a region's darkest, and of its brightest, pixels that do not count
MARGIN = 0.25  # of the region's standard deviation, by which the range is wider than what is left
SMALL = 60  # pixels; a smaller mask has no specks, and would not survive their removal
PART = 0.2  # of a mask's area; a target may have several parts, a smaller one is a speck
LEAST_MARGIN = 3.0  # grey levels of 255


def smooth_gray(picture: Image.Image) -> np.ndarray:
    """Grey values (H, W) float32, 0..255, of an RGB image, without single-pixel noise."""
    return ndimage.gaussian_filter(np.asarray(picture.convert("L"), np.float32), BLUR)


@dataclass(frozen=True)
class Appearance:
    """The range of grey values of a region; of one with many kinds of tissue it is wide and refuses
    little.
    """

    low: float
    high: float

    @staticmethod
    def of(gray: np.ndarray, mask: np.ndarray) -> "Appearance":
        """That of the pixels of a mask (H, W) bool, not empty, in `smooth_gray`."""
        values = gray[mask]
        low, high = np.quantile(values, [TAILS, 1 - TAILS])
        margin = MARGIN * float(values.std()) + LEAST_MARGIN
        return Appearance(float(low) - margin, float(high) + margin)

    def towards(self, other: "Appearance", most: float) -> "Appearance":
        """This range with each end moved towards the other's, by `most` grey levels at most: brightness
        changes slowly along a target, as by an uneven coil.
        """
        ends = [
            here + min(max(there - here, -most), most)
            for here, there in ((self.low, other.low), (self.high, other.high))
        ]
        return Appearance(*ends)

    def part_of(self, mask: np.ndarray, gray: np.ndarray, before: np.ndarray) -> np.ndarray:
        """What of a mask looks like this: for each part of `before`, the mask of the slice before, the
        connected region over it; without specks and threads. (H, W) bool.
        """
        window = _window(mask)  # nothing of it lies outside, and a whole slice takes longer
        found, mask, gray = np.zeros_like(mask), mask[window], gray[window]
        like = mask & (gray >= self.low) & (gray <= self.high)
        if np.count_nonzero(mask) >= SMALL:
            like = ndimage.binary_opening(like)
        regions, count = ndimage.label(like)
        if not count:
            return found
        over = [np.bincount(regions[part[window]], minlength=count + 1)[1:] for part in parts(before)]
        if not np.any(over):
            over = [np.bincount(regions.ravel())[1:]]
        found[window] = np.isin(regions, [int(sizes.argmax()) + 1 for sizes in over if sizes.any()])
        return found


def parts(mask: np.ndarray) -> list[np.ndarray]:
    """The connected parts of a mask (H, W), not empty, without those of less than PART of its area."""
    window, labels = _window(mask), np.zeros(mask.shape, np.int32)
    labels[window], count = ndimage.label(mask[window])
    areas = np.bincount(labels[window].ravel(), minlength=count + 1)[1:]
    return [labels == number for number, area in enumerate(areas, 1) if area >= PART * areas.sum()]


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns of the box around a mask (H, W), not empty."""
    (window,) = ndimage.find_objects(mask.view(np.uint8), 1)
    return window

"""A ball in a volume, and a segmenter without weights that outlines whatever is bright in its box."""

import numpy as np
from PIL import Image

from medreasoner.segmenters.base import SegmenterPrompt

SIDE, SLICES, RADIUS = 48, 15, 5
MIDDLE = (8, 15, 22)  # slice (from 1), row, column


def ball() -> np.ndarray:
    """(SLICES, SIDE, SIDE) bool."""
    z, y, x = np.mgrid[1 : SLICES + 1, :SIDE, :SIDE]
    return (z - MIDDLE[0]) ** 2 + (y - MIDDLE[1]) ** 2 + (x - MIDDLE[2]) ** 2 <= RADIUS**2 + 1


def box_of(mask: np.ndarray) -> SegmenterPrompt:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return SegmenterPrompt((float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)))


class Drawn:
    """Grey values (D, H, W) as `propagation.Slices`; `encoded` lists the slices that were asked for."""

    def __init__(self, values: np.ndarray) -> None:
        self.count, self.values, self.encoded = len(values), values, []

    def picture(self, number: int) -> Image.Image:
        return Image.fromarray(self.values[number - 1]).convert("RGB")

    def encode(self, number: int) -> np.ndarray:
        self.encoded.append(number)
        return self.values[number - 1]


class BrightSegmenter:
    """See `propagation.MaskPromptSegmenter`: all pixels in the box brighter than 50, believed by `score`."""

    name, revision = "bright", None

    def __init__(self, score: float = 0.9) -> None:
        self.score, self.logits = score, []

    def encode(self, image, features=None):
        return np.asarray(image)[..., 0]

    def segment(self, encoded, prompt):
        return self.segment_after(encoded, prompt, None)[:2]

    def segment_after(self, encoded, prompt, logits):
        self.logits.append(logits)
        left, top, right, bottom = (round(value) for value in prompt.box)
        mask = np.zeros(encoded.shape, bool)
        mask[top:bottom, left:right] = encoded[top:bottom, left:right] > 50
        return mask, self.score, np.where(mask, 8.0, -8.0).astype(np.float32)

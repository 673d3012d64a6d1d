"""Masks for a reward: answers in, masks of a frozen segmenter out, each image encoded once while it is in
memory."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding
from medreasoner.segmenters.base import BatchSegmenter, Segmenter, SegmenterPrompt
from medreasoner.segmenters.sam2 import Encoded

REMEMBERED = 16  # encoded images in memory
GREY = 127  # of 255: where a resized mask is cut


class MaskReward:
    """Draws masks of groundings; the rewards compare them with the true ones.

    Args:
        encode: what encodes an image for the segmenter, `segmenter.encode` unless given (a cache of the
        embedded pair's for example).
    """

    def __init__(
        self, segmenter: Segmenter, encode: Callable[[Segmenter, Image.Image], object] | None = None
    ) -> None:
        self.segmenter = segmenter
        self._encode = encode or (lambda segmenter, image: segmenter.encode(image))
        self._memory: OrderedDict[int, tuple[Image.Image, object]] = OrderedDict()

    def __call__(
        self, images: Sequence[Image.Image], groundings: Sequence[Grounding], sizes: Sequence[tuple[int, int]]
    ) -> list[np.ndarray]:
        """Masks (H, W) bool of the originals' sizes; neighbouring answers to the same image are decoded in
        one batch.

        Args:
            images: as the trainer holds them, possibly resized without keeping the aspect.
            groundings: in pixels of the original images.
            sizes: (width, height) of the original images.
        """
        masks: list[np.ndarray] = []
        rows = list(zip(images, groundings, sizes, strict=True))
        for _, group in groupby(rows, key=lambda row: (id(row[0]), row[2])):
            masks += self._segment([*group])
        return masks

    def _segment(self, rows: list[tuple[Image.Image, Grounding, tuple[int, int]]]) -> list[np.ndarray]:
        image, _, size = rows[0]
        encoded = self._encoded(image)
        if isinstance(encoded, Encoded):
            # SAM 2's decoder works in shares of the sides, so it can answer in the original's size at once
            encoded = Encoded(encoded.maps, size)
            return self._drawn(encoded, [SegmenterPrompt.of(grounding) for _, grounding, _ in rows])
        sx, sy = image.size[0] / size[0], image.size[1] / size[1]
        masks = self._drawn(encoded, [_scaled(grounding, sx, sy) for _, grounding, _ in rows])
        return [_resized(mask, size) for mask in masks]

    def _drawn(self, encoded: object, prompts: list[SegmenterPrompt]) -> list[np.ndarray]:
        segmenter = self.segmenter
        if isinstance(segmenter, BatchSegmenter):
            return [mask for mask, _ in segmenter.segment_many(encoded, prompts)]
        return [segmenter.segment(encoded, prompt)[0] for prompt in prompts]

    def _encoded(self, image: Image.Image) -> object:
        entry = self._memory.get(id(image))
        if entry is None or entry[0] is not image:
            entry = image, self._encode(self.segmenter, image)
        self._memory[id(image)] = entry
        self._memory.move_to_end(id(image))
        if len(self._memory) > REMEMBERED:
            self._memory.popitem(last=False)
        return entry[1]


def _scaled(grounding: Grounding, sx: float, sy: float) -> SegmenterPrompt:
    """The prompt in the trainer's image, `sx`, `sy` of its pixels for one of the original's."""
    x1, y1, x2, y2 = grounding.box
    return SegmenterPrompt(
        (x1 * sx, y1 * sy, x2 * sx, y2 * sy), tuple((x * sx, y * sy) for x, y in grounding.points)
    )


def _resized(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A mask made in the trainer's image, brought to the original's `size` (width, height)."""
    grey = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(grey) > GREY

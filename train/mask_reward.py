"""The frozen segmenter as a reward sees it: answers in, masks out, each picture encoded once for a whole training run.

Is: a `rewards.Painter` over any segmenter. What SAM 2's encoder makes of a picture lies on disk (`train/embedded/features.py`), keyed by its
pixels, so a second run encodes nothing; for other segmenters the last pictures stay in memory.
Is not: a way to train the segmenter (`train/embedded/mask_decoder.py`).
"""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import groupby

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt
from medreasoner.segmenters.sam2 import Encoded, Sam2Segmenter, image_processor
from train.embedded.features import SHAPES, FeatureCache, content_key
from train.embedded.sam2 import SIDE

MAPS = ("high0", "high1", "low")
KEPT = 16  # pictures in memory


class MaskReward:
    """Call it with pictures as the trainer holds them (possibly resized, aspect not kept), groundings in pixels of the originals and the
    originals' sizes; it returns masks (H, W) bool of those sizes. Neighbouring equal pictures are decoded in one batch.

    Args:
        caches: where encoded pictures may already lie; the last one, made for MAPS alone, takes in those that do not.
    """

    def __init__(self, segmenter: Segmenter, caches: Sequence[FeatureCache] = ()):
        self.segmenter, self.caches = segmenter, caches
        self._memory: OrderedDict[int, tuple[Image.Image, object]] = OrderedDict()

    def __call__(
        self, images: Sequence[Image.Image], groundings: Sequence[Grounding], sizes: Sequence[tuple[int, int]]
    ) -> list[np.ndarray]:
        masks: list[np.ndarray] = []
        rows = list(zip(images, groundings, sizes, strict=True))
        for _, group in groupby(rows, key=lambda row: (id(row[0]), row[2])):
            masks += self._paint([*group])
        return masks

    def _paint(self, rows: list[tuple[Image.Image, Grounding, tuple[int, int]]]) -> list[np.ndarray]:
        image, _, size = rows[0]
        encoded = self._encoded(image)
        if isinstance(
            encoded, Encoded
        ):  # the decoder works in shares of the sides: let it answer in the original's size at once
            encoded = Encoded(encoded.maps, size)
            prompts = [SegmenterPrompt.of(grounding) for _, grounding, _ in rows]
            return [mask for mask, _ in self.segmenter.segment_many(encoded, prompts)]
        return [self._resized(encoded, image.size, g, size) for _, g, _ in rows]

    def _resized(
        self, encoded: object, seen: tuple[int, int], grounding: Grounding, size: tuple[int, int]
    ) -> np.ndarray:
        sx, sy = seen[0] / size[0], seen[1] / size[1]
        x1, y1, x2, y2 = grounding.box
        prompt = SegmenterPrompt(
            (x1 * sx, y1 * sy, x2 * sx, y2 * sy), tuple((x * sx, y * sy) for x, y in grounding.points)
        )
        mask, _ = self.segmenter.segment(encoded, prompt)
        return (
            np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BILINEAR))
            > 127
        )

    def _encoded(self, image: Image.Image) -> object:
        held = self._memory.get(id(image))
        if held is None or held[0] is not image:
            held = image, self._encode(image)
        self._memory[id(image)] = held
        self._memory.move_to_end(id(image))
        if len(self._memory) > KEPT:
            self._memory.popitem(last=False)
        return held[1]

    def _encode(self, image: Image.Image) -> object:
        if not self.caches or not isinstance(self.segmenter, Sam2Segmenter):
            return self.segmenter.encode(image)
        key = content_key(image_processor(SIDE)(image, return_tensors="pt").pixel_values[0])
        home = next((cache for cache in self.caches if key in cache), None)
        if home is None:
            encoded = self.segmenter.encode(image)
            maps = {name: m[0] for name, m in zip(MAPS, encoded.maps, strict=True)}
            if any(
                tuple(m.shape) != SHAPES[name] for name, m in maps.items()
            ):  # another SAM 2 than the cache is made for
                return encoded
            home = self.caches[-1]
            home.append(key, maps)
        return Encoded([home.get(key, name).float()[None] for name in MAPS], image.size)

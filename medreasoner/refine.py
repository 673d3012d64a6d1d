"""Draws a mask again after a person has corrected where it should be; the reasoner is not asked.

The image is encoded at most once. The history of corrections is kept by the page.

    cache = ImageCache()
    done = model.ground("scan.png", question, cache=cache)
    refined = model.refine(image, done.grounding, [(120, 80, True), (40, 60, False)], cache)
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from medreasoner.geometry import Box, Grounding, GroundingError, repair
from medreasoner.image_cache import ImageCache
from medreasoner.segmenters.base import Click, Segmenter, SegmenterPrompt

MAX_CLICKS = 64
FEW = 0.03  # of the box; a thin target that runs along its diagonal fills more


@dataclass(frozen=True)
class Refined:
    """A mask for a corrected grounding.

    Args:
        grounding: as it was used, inside the image.
        clicks: likewise.
        mask: (H, W) bool in the size of the original image.
        score: the segmenter's estimate of the mask's IoU, 0..1.
        notes: one sentence for each thing that was repaired or is odd.
        seconds: from the call to the mask.
    """

    grounding: Grounding
    clicks: tuple[Click, ...]
    mask: np.ndarray = field(repr=False)
    score: float
    notes: tuple[str, ...]
    seconds: float


def refine(
    image: Image.Image,
    segmenter: Segmenter,
    grounding: Grounding,
    clicks: Sequence[Click] = (),
    cache: ImageCache | None = None,
) -> Refined:
    """Draw the mask for `grounding` and `clicks`.

    Args:
        image: RGB.
        grounding: in pixels of `image`; what lies outside is cut at the edge.
        clicks: at most 64, in pixels of `image`.
        cache: of this very image; filled if it is empty.

    Errors: GroundingError for numbers that are no place in the image, SegmenterError.
    """
    started = time.perf_counter()
    usable, notes = repair(grounding, image.size)
    clicks = clicks_inside(clicks, image.size)
    cache = ImageCache() if cache is None else cache
    if cache.segmenter_encoding is None:
        cache.segmenter_encoding = segmenter.encode(image)
    mask, score = segmenter.segment(cache.segmenter_encoding, SegmenterPrompt.of(usable, clicks))
    notes += mask_doubts(mask, usable.box)
    return Refined(usable, clicks, mask, score, notes, time.perf_counter() - started)


def mask_doubts(mask: np.ndarray, box: Box) -> tuple[str, ...]:
    """A sentence where `mask`, (H, W) bool, is empty or hardly fills `box`; () where nothing is odd."""
    if not mask.any():
        return ("The segmenter found nothing to outline in the box.",)
    x1, y1, x2, y2 = box
    share = mask.sum() / max(1.0, (x2 - x1) * (y2 - y1))
    if share >= FEW:
        return ()
    return (
        f"The mask fills only {share:.1%} of its box ({mask.sum():,} pixels); it may have missed the target.",
    )


def clicks_inside(clicks: Sequence[Click], image_wh: tuple[int, int]) -> tuple[Click, ...]:
    """Clicks (pixels) moved to the edge where they lie outside.

    Errors: GroundingError for more than MAX_CLICKS of them, and for numbers that are not finite.
    """
    if len(clicks) > MAX_CLICKS:
        raise GroundingError(f"{len(clicks)} clicks were given; at most {MAX_CLICKS} are read")
    wrong = [click for click in clicks if not (math.isfinite(click[0]) and math.isfinite(click[1]))]
    if wrong:
        raise GroundingError(f"a click holds a coordinate that is not a finite number: {wrong[0]}")
    width, height = image_wh
    return tuple(
        (float(min(max(x, 0), width)), float(min(max(y, 0), height)), bool(positive))
        for x, y, positive in clicks
    )

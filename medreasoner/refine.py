"""A mask drawn again after a person has corrected where it should be; the reasoner is not asked.

Is: box, two points and further clicks -> mask, from an image that the segmenter has already taken in, or takes in now.
Is not: an editor; the page keeps the history of what was moved.

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

from medreasoner.geometry import Grounding, GroundingError, repair
from medreasoner.reasoners.base import EncodedImage
from medreasoner.segmenters.base import Click, Segmenter, SegmenterPrompt

MAX_CLICKS = 64


@dataclass
class ImageCache:
    """The encodings of one image by one reasoner and its segmenter, so that a further mask costs one decode and a further question no
    encoding. The caller owns it. A call that runs in another process leaves it empty; the image is then encoded again.

    Args:
        segmenter_encoding: what `Segmenter.encode` returned.
        reasoner_encoding: what `Reasoner.encode` returned, without its `features`.
    """

    segmenter_encoding: object = None
    reasoner_encoding: EncodedImage | None = None


@dataclass(frozen=True)
class Refined:
    """`grounding` and `clicks` as they were used, inside the image; `mask` (H, W) bool; `score` the segmenter's estimate of its IoU, 0..1;
    `seconds` from the call to the mask."""

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
        image: RGB. grounding: in pixels of `image`; what lies outside is cut at the edge.
        clicks: up to 64 of (x, y, positive) in pixels of `image`: this belongs to the target, or does not.
        cache: of this very image; filled if it is empty.

    Errors: GroundingError for numbers that mean no place in the image, SegmenterError.
    """
    started = time.perf_counter()
    usable, notes = repair(grounding, image.size)
    clicks = _inside(clicks, image.size)
    cache = ImageCache() if cache is None else cache
    if cache.segmenter_encoding is None:
        cache.segmenter_encoding = segmenter.encode(image)
    mask, score = segmenter.segment(cache.segmenter_encoding, SegmenterPrompt.of(usable, clicks))
    if not mask.any():
        notes += ("The segmenter found nothing to outline there.",)
    return Refined(usable, clicks, mask, score, notes, time.perf_counter() - started)


def _inside(clicks: Sequence[Click], image_wh: tuple[int, int]) -> tuple[Click, ...]:
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

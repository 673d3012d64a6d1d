"""A mask drawn again after a person has corrected where it should be; the reasoner is not asked.

Is: box, two points and further clicks -> mask, from an image that the segmenter has already taken in, or takes in now.
Is not: an editor; the page keeps the history of what was moved.

    kept = Kept()
    done = model.ground("scan.png", question, kept=kept)
    refined = model.refine(image, done.grounding, [(120, 80, True), (40, 60, False)], kept)
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding, GroundingError, repair
from medreasoner.reasoners.base import EncodedImage
from medreasoner.segmenters.base import Click, Segmenter

MAX_CLICKS = 64


@dataclass
class ImageCache:
    """What a model made of one image: `encoded` by its segmenter, so that each further mask costs one decode, and `look` by its reasoner,
    so that a question can be asked again. Of one pair only; it lives as long as whoever holds it; in another process it stays empty, and
    the image is taken in again."""

    encoded: object = None
    look: EncodedImage | None = None


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
    kept: ImageCache | None = None,
) -> Refined:
    """Draw the mask for `grounding` and `clicks`.

    Args:
        image: RGB. grounding: in pixels of `image`; what lies outside is cut at the edge.
        clicks: up to 64 of (x, y, positive) in pixels of `image`: this belongs to the target, or does not.
        kept: of this very image; filled if it is empty.

    Errors: GroundingError for numbers that mean no place in the image, SegmenterError.
    """
    started = time.perf_counter()
    usable, notes = repair(grounding, image.size)
    clicks = _inside(clicks, image.size)
    kept = ImageCache() if kept is None else kept
    if kept.encoded is None:
        kept.encoded = segmenter.encode(image)
    mask, score = segmenter.segment(kept.encoded, usable, clicks)
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

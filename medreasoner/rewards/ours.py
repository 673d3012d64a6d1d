"""Our own rewards, the set `mask`: each a number from 0 to 1 that rises wherever an answer gets better.

They score what the answer is for (the mask the frozen segmenter makes of it), what leads there (box and
points), and what a reader relies on (form, length, reasoning that fits the answer). Distances are in units of
the object's diagonal, never in pixels. What the published rewards (`paper.py`) pay for and should not, such
as an answer on the wrong side, scores low here. An answer that cannot be read scores 0 in every term but
`brevity`.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from medreasoner.answer_blocks import TAGS
from medreasoner.geometry import Grounding, to_image
from medreasoner.metrics import box_iou, dice
from medreasoner.rewards.completion import ScoredCompletion
from medreasoner.rewards.reference import Reference
from medreasoner.text.places import place_agrees, size_agrees

WORDS, WORD_CHARACTERS = 250, 12  # reasoning up to so many words costs nothing; a word is at most so long
SPREAD = 0.15  # of the object's diagonal: two points this far apart are different enough
NEAR = 0.25  # of the object's diagonal: over this distance a point outside the mask loses most of its worth
NO_CLAIM = 0.5  # for reasoning that says nothing about place, or size
EDGE = 1e-6  # pixels by which a box may leave the image through rounding
# the frozen segmenter: (images, groundings, (width, height) of the originals) -> masks (H, W) bool
SegmentMany = Callable[
    [Sequence[object], Sequence[Grounding], Sequence[tuple[int, int]]], Sequence[np.ndarray]
]


def form(completion: ScoredCompletion) -> float:
    """1 if the text is exactly what was asked for: one block of each kind in their order and nothing else,
    strict JSON with finite numbers, an ordered box inside the image, two different points; or nulls for what
    is not there."""
    reference, parsed = completion.reference, completion.parsed
    if reference.absent:
        return float(parsed.absent and _blocks_right(completion))
    if parsed.answer is None or not _blocks_right(completion):
        return 0.0
    placed = to_image(
        parsed.answer.bbox, parsed.answer.points, reference.frame, reference.image_wh, reference.input_wh
    )
    x1, y1, x2, y2 = placed.box
    width, height = reference.image_wh
    inside = -EDGE <= x1 < x2 <= width + EDGE and -EDGE <= y1 < y2 <= height + EDGE
    return float(inside and placed.points[0] != placed.points[1])


def _blocks_right(completion: ScoredCompletion) -> bool:
    text, think = completion.text, completion.reference.think
    expected = TAGS if think else TAGS[2:]
    tolerated = set() if think else {"no think block"}
    once_each = all(text.count(tag) == (tag in expected) for tag in TAGS)
    return once_each and text.lstrip().startswith(expected[0]) and set(completion.parsed.met) <= tolerated


def box(completion: ScoredCompletion) -> float:
    """Mean of IoU, which is what counts, and of exp(-W / half the object's diagonal) with W the 2-Wasserstein
    distance of the boxes taken as Gaussians (Wang et al., arXiv 2110.13389), which also tells a near miss
    from a far one."""
    grounding, reference = completion.grounding, completion.reference
    if grounding is None:
        return 0.0
    near = math.exp(-_wasserstein(grounding.box, reference.box) / (reference.diagonal / 2))
    return (box_iou(grounding.box, reference.box) + near) / 2


def _wasserstein(a: Sequence[float], b: Sequence[float]) -> float:
    """2-Wasserstein distance of two boxes as Gaussians N(centre, diag(w/2, h/2)^2), pixels."""

    def gaussian(v: Sequence[float]) -> tuple[float, ...]:
        return (v[0] + v[2]) / 2, (v[1] + v[3]) / 2, (v[2] - v[0]) / 2, (v[3] - v[1]) / 2

    return math.dist(gaussian(a), gaussian(b))


def points(completion: ScoredCompletion) -> float:
    """How deep both points are in the target, whichever comes first: 1 each inside its mask, falling with the
    distance from it over a quarter of the object's diagonal from one half; times 0.5..1 for lying apart.
    Without a mask, the distance from the true points."""
    grounding, reference = completion.grounding, completion.reference
    if grounding is None:
        return 0.0
    apart = math.dist(*grounding.points) / (SPREAD * reference.diagonal)
    depth = _near_points if reference.mask is None else _in_mask
    return depth(grounding, reference) * (0.5 + 0.5 * min(1.0, apart))


def _near_points(grounding: Grounding, reference: Reference) -> float:
    reach = reference.diagonal * NEAR
    orders = (grounding.points, grounding.points[::-1])
    return max(
        sum(math.exp(-math.dist(p, t) / reach) for p, t in zip(order, reference.points, strict=True)) / 2
        for order in orders
    )


def _in_mask(grounding: Grounding, reference: Reference) -> float:
    reach = reference.diagonal * NEAR
    height, width = reference.mask.shape
    away = [reference.distance[min(int(y), height - 1), min(int(x), width - 1)] for x, y in grounding.points]
    return sum(1.0 if d == 0 else 0.5 * math.exp(-d / reach) for d in away) / 2


def brevity(completion: ScoredCompletion) -> float:
    """1 up to WORDS words, falling to 0 at twice as many; twelve characters count as a word at least."""
    words = max(len(completion.text.split()), len(completion.text) / WORD_CHARACTERS)
    return min(1.0, max(0.0, 2 - words / WORDS))


def consistency(completion: ScoredCompletion) -> float:
    """Whether the reasoning's own words for place and size are true of its own box: each 1 if true, 0 if not,
    one half if it does not say; their mean. 1 where no reasoning was asked for."""
    grounding, reference = completion.grounding, completion.reference
    if grounding is None:
        return 0.0
    if not reference.think:
        return 1.0
    think = completion.parsed.think or ""
    claims = [judge(think, grounding.box, reference.image_wh) for judge in (place_agrees, size_agrees)]
    return sum(NO_CLAIM if claim is None else float(claim) for claim in claims) / len(claims)


def mask_dice(
    completions: Sequence[ScoredCompletion | None], images: Sequence[object], segment: SegmentMany
) -> list[float | None]:
    """Dice of the target and the mask that the segmenter makes of the answer's box and points; 1 for an
    absence where nothing is; None where the row has no usable truth, or no mask of its target.

    Args:
        images: (N,) whatever `segment` takes. segment: draws the masks of all answers of this call at once.
    """
    scores: list[float | None] = [None] * len(completions)
    drawn = []
    for i, completion in enumerate(completions):
        if completion is not None and completion.reference.absent:
            scores[i] = float(completion.parsed.absent)
        elif completion is not None and completion.reference.mask is not None:
            scores[i] = 0.0
            if completion.grounding is not None:
                drawn.append(i)
    if drawn:
        asked = [(images[i], completions[i].grounding, completions[i].reference.image_wh) for i in drawn]
        for i, mask in zip(drawn, segment(*zip(*asked, strict=True)), strict=True):
            scores[i] = dice(mask, completions[i].reference.mask)
    return scores


TERMS = {"box": box, "points": points, "form": form, "brevity": brevity, "consistency": consistency}
OF_TEXT = frozenset({"form", "brevity"})  # terms that judge a right absence as any other answer
WEIGHTS = {"mask_dice": 1.0, "box": 1.0, "points": 0.5, "form": 0.1, "brevity": 0.05, "consistency": 0.25}

"""Our own rewards, `mask`: each a number in 0..1 with a slope wherever an answer can get better.

Is: what the answer is for (the mask the frozen segmenter makes of it), what leads there (box, points), and what a reader relies on (form,
length, and that the reasoning says what the answer shows). Lengths are in units of the object, never in pixels.
Is not: the published rewards (`paper.py`). What those reward and should not (a wrong side gets 5.56 of 8 there) scores low here.

An answer that cannot be read scores 0 in every term but length, and there only what it costs to read.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from medreasoner.answer import TAGS, Answer, Parsed, parse
from medreasoner.geometry import Grounding, GroundingError, repair, to_image
from medreasoner.metrics import box_iou, dice
from medreasoner.rewards.reference import Reference
from medreasoner.text.places import place_agrees, size_agrees

WORDS = 250  # a reasoning of up to so many words costs nothing
SPREAD = 0.15  # of the object's diagonal: two points this far apart are different enough
# the frozen segmenter, which lives with the models: (images, groundings, (width, height) of the originals) -> masks (H, W) bool
Painter = Callable[[Sequence[object], Sequence[Grounding], Sequence[tuple[int, int]]], Sequence[np.ndarray]]


def grounding_of(answer: Answer | None, case: Reference) -> Grounding | None:
    """The answer in pixels of the image, cut at its edge; None for one that means no place."""
    if answer is None:
        return None
    try:
        return repair(
            to_image(answer.bbox, answer.points, case.frame, case.image_wh, case.input_wh), case.image_wh
        )[0]
    except GroundingError:
        return None


def form(text: str, case: Reference) -> float:
    """1 if the text is exactly what was asked for: one block of each kind in their order and nothing else, strict JSON with finite
    numbers, an ordered box inside the image, two different points."""
    parsed = parse(text)
    expected = TAGS if case.think else TAGS[2:]
    tags_right = all(text.count(tag) == (tag in expected) for tag in TAGS) and text.lstrip().startswith(
        expected[0]
    )
    if (
        parsed.answer is None
        or not tags_right
        or set(parsed.met) - (set() if case.think else {"no think block"})
    ):
        return 0.0
    placed = to_image(parsed.answer.bbox, parsed.answer.points, case.frame, case.image_wh, case.input_wh)
    x1, y1, x2, y2 = placed.box
    width, height = case.image_wh
    ordered = -1e-6 <= x1 < x2 <= width + 1e-6 and -1e-6 <= y1 < y2 <= height + 1e-6
    return float(ordered and placed.points[0] != placed.points[1])


def box(text: str, case: Reference) -> float:
    """Mean of IoU, which is what counts, and of exp(-W / half the object's diagonal) with W the 2-Wasserstein distance of the boxes taken
    as Gaussians (Wang et al., arXiv 2110.13389), which also tells a near miss from a far one."""
    grounding = grounding_of(parse(text).answer, case)
    if grounding is None:
        return 0.0
    return (
        box_iou(grounding.box, case.box) + math.exp(-_wasserstein(grounding.box, case.box) / (case.size / 2))
    ) / 2


def _wasserstein(a: Sequence[float], b: Sequence[float]) -> float:
    """2-Wasserstein distance of two boxes as Gaussians N(centre, diag(w/2, h/2)^2), pixels."""

    def gaussian(v: Sequence[float]) -> tuple[float, ...]:
        return (v[0] + v[2]) / 2, (v[1] + v[3]) / 2, (v[2] - v[0]) / 2, (v[3] - v[1]) / 2

    return math.dist(gaussian(a), gaussian(b))


def points(text: str, case: Reference) -> float:
    """How deep both points are in the target, whichever comes first: 1 each inside its mask, falling with the distance from it over a
    quarter of the object's diagonal from one half; times 0.5..1 for lying apart. Without a mask, the distance from the true points."""
    grounding = grounding_of(parse(text).answer, case)
    if grounding is None:
        return 0.0
    apart = math.dist(*grounding.points) / (SPREAD * case.size)
    return _inside(grounding, case) * (0.5 + 0.5 * min(1.0, apart))


def _inside(grounding: Grounding, case: Reference) -> float:
    reach = case.size / 4
    if case.mask is None:
        orders = (grounding.points, grounding.points[::-1])
        return (
            max(
                sum(math.exp(-math.dist(p, t) / reach) for p, t in zip(order, case.points, strict=True))
                for order in orders
            )
            / 2
        )
    height, width = case.mask.shape
    away = [case.distance[min(int(y), height - 1), min(int(x), width - 1)] for x, y in grounding.points]
    return sum(1.0 if d == 0 else 0.5 * math.exp(-d / reach) for d in away) / 2


def brevity(text: str, case: Reference) -> float:
    """1 up to WORDS words, falling to 0 at twice as many; twelve characters count as a word at least."""
    words = max(len(text.split()), len(text) / 12)
    return min(1.0, max(0.0, 2 - words / WORDS))


def consistency(text: str, case: Reference) -> float:
    """Whether the reasoning's own words for place and size are true of its own box: each 1 if true, 0 if not, one half if it does not
    say; their mean. 1 where no reasoning was asked for."""
    parsed: Parsed = parse(text)
    grounding = grounding_of(parsed.answer, case)
    if grounding is None:
        return 0.0
    if not case.think:
        return 1.0
    claims = [judge(parsed.think or "", grounding.box, case.image_wh) for judge in (place_agrees, size_agrees)]
    return sum(0.5 if claim is None else float(claim) for claim in claims) / len(claims)


def mask_dice(
    texts: Sequence[str], cases: Sequence[Reference | None], images: Sequence[object], paint: Painter
) -> list[float | None]:
    """Dice of the target and the mask that the segmenter makes of the answer's box and points; None where the row has no mask.

    Args:
        images: (N,) whatever `paint` takes; rows of a group share theirs. paint: decodes all answers of this call at once.
    """
    judged = {i: case for i, case in enumerate(cases) if case is not None and case.mask is not None}
    found = {i: grounding_of(parse(texts[i]).answer, case) for i, case in judged.items()}
    asked = [i for i, grounding in found.items() if grounding is not None]
    masks = (
        paint(*zip(*((images[i], found[i], judged[i].image_wh) for i in asked), strict=True)) if asked else []
    )
    scores = {i: dice(mask, judged[i].mask) for i, mask in zip(asked, masks, strict=True)}
    return [scores.get(i, 0.0) if i in judged else None for i in range(len(cases))]


TERMS = {"box": box, "points": points, "form": form, "brevity": brevity, "consistency": consistency}
WEIGHTS = {"mask_dice": 1.0, "box": 1.0, "points": 0.5, "form": 0.1, "brevity": 0.05, "consistency": 0.25}

"""What is measured of a target in its image: place, size, shape, brightness, margin, and its neighbours among
the other targets.

Everything here is a fact of the mask and the pixels, in the words of `text/places.py` and below. Directions
are those of the image as displayed: "left" is the image's left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from medreasoner.geometry import Box
from medreasoner.text.places import place_words, size_word

CONTRAST = 0.06  # of the grey range: a smaller difference in mean brightness is called "about as bright"
SHAPES = ("wider than tall", "taller than wide", "about as wide as tall")
BRIGHTNESS = ("brighter than", "darker than", "about as bright as")
MARGINS = ("even", "uneven")
ELONGATED = 1.35  # ratio of the box's sides from which it is called wider or taller
SOLID = 0.92  # share of its convex hull that a region with an even margin fills at least
SYMMETRIC = 0.75  # correlation of a picture with its mirror image from which "the other side" means something
NEAR = 0.08  # of the image's longer side: up to this gap two targets are called neighbours
INSIDE = 0.8  # share of a target that lies in another from which it is called inside it


@dataclass(frozen=True)
class Measured:
    """Facts of one target in one image, each as a word or phrase.

    Args:
        neighbours: up to two (relation, name) of other targets: the relation is "inside", "around" or a
            direction such as "above" or "below and to the left of", from the neighbour to this target.
    """

    side: str
    height: str
    size: str
    shape: str
    brightness: str
    margin: str = MARGINS[0]
    neighbours: tuple[tuple[str, str], ...] = ()


def measure(
    grey: np.ndarray, mask: np.ndarray, box: Box, others: Sequence[tuple[str, np.ndarray]] = ()
) -> Measured:
    """Measure a target. `grey` (H, W) 0..255, `mask` (H, W) bool, `box` xyxy in the same pixels; `others`:
    (name, mask) of the image's other targets."""
    height, width = mask.shape
    side, level = place_words(box, (width, height))
    ratio = (box[2] - box[0]) / (box[3] - box[1])
    shape = SHAPES[0] if ratio > ELONGATED else SHAPES[1] if ratio < 1 / ELONGATED else SHAPES[2]
    margin = MARGINS[0] if _solidity(mask, box) >= SOLID else MARGINS[1]
    facts = side, level, size_word(box, (width, height)), shape, _brightness(grey, mask, box), margin
    return Measured(*facts, neighbours_of(mask, others))


def _solidity(mask: np.ndarray, box: Box) -> float:
    """Share of its convex hull that the mask fills, 0..1, estimated at 64 px; 1 for what has no area."""
    from scipy.spatial import ConvexHull, QhullError

    x1, y1, x2, y2 = (int(v) for v in box)
    small = np.asarray(Image.fromarray(mask[y1:y2, x1:x2]).resize((64, 64), Image.Resampling.BILINEAR))
    corners = np.argwhere(np.pad(small, 1)).astype(float)
    corners = np.concatenate([corners, corners + [0, 1], corners + [1, 0], corners + [1, 1]])
    try:
        return min(1.0, float(small.sum()) / ConvexHull(corners).volume)
    except QhullError:
        return 1.0


def _brightness(grey: np.ndarray, mask: np.ndarray, box: Box) -> str:
    reach = max(3, int(0.25 * max(box[2] - box[0], box[3] - box[1])))
    y1, y2 = max(0, int(box[1]) - reach), int(box[3]) + reach
    x1, x2 = max(0, int(box[0]) - reach), int(box[2]) + reach
    inside, values = mask[y1:y2, x1:x2], grey[y1:y2, x1:x2]
    ring = (ndimage.distance_transform_edt(~inside) <= reach) & ~inside
    if not ring.any():
        return BRIGHTNESS[2]
    return _compared(values[inside].mean() - values[ring].mean())


def _compared(difference: float) -> str:
    """The word for a difference of mean brightness, in grey levels of 255."""
    difference /= 255
    return (
        BRIGHTNESS[0] if difference > CONTRAST else BRIGHTNESS[1] if difference < -CONTRAST else BRIGHTNESS[2]
    )


def against_other_side(grey: np.ndarray, mask: np.ndarray) -> str | None:
    """How bright the target is against the same place mirrored left to right, as one of BRIGHTNESS; None
    where that says nothing.

    It says nothing when the picture is not like its own mirror image (correlation of 32 x 32 means under
    SYMMETRIC), or when the target lies across the middle. `grey` (H, W) 0..255, `mask` (H, W) bool.
    """
    mirrored = mask[:, ::-1]
    if (mask & mirrored).sum() > 0.05 * mask.sum():
        return None
    means = np.asarray(Image.fromarray(grey).resize((32, 32), Image.Resampling.BOX), np.float64)
    if not means.std() or np.corrcoef(means.ravel(), means[:, ::-1].ravel())[0, 1] < SYMMETRIC:
        return None
    return _compared(grey[mask].mean() - grey[mirrored].mean())


def neighbours_of(mask: np.ndarray, others: Sequence[tuple[str, np.ndarray]]) -> tuple[tuple[str, str], ...]:
    """Up to two (relation, name): what the target lies in or around, else its nearest neighbours, nearest
    first.
    """
    area, found = mask.sum(), []
    away = ndimage.distance_transform_edt(~mask)  # pixels from the target
    for name, other in others:
        shared = (mask & other).sum()
        if shared >= INSIDE * area and other.sum() > area:
            found.append((-1.0, "inside", name))
        elif shared >= INSIDE * other.sum() and area > other.sum():
            found.append((-0.5, "around", name))
        elif shared <= 0.1 * min(area, other.sum()) and (gap := float(away[other].min())) <= NEAR * max(
            mask.shape
        ):
            found.append((gap, _direction(mask, other), name))
    return tuple((relation, name) for _, relation, name in sorted(found)[:2])


def _direction(mask: np.ndarray, other: np.ndarray) -> str:
    """Where the target lies, seen from the other's centre."""
    (y, x), (oy, ox) = ndimage.center_of_mass(mask), ndimage.center_of_mass(other)
    across, down = x - ox, y - oy
    sideways = "to the left of" if across < 0 else "to the right of"
    upwards = "above" if down < 0 else "below"
    if abs(across) > 2 * abs(down):
        return sideways
    return upwards if abs(down) > 2 * abs(across) else f"{upwards} and {sideways}"

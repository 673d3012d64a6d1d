"""Boxes and points, the frames in which models write them, and the conversion between the two.

Inside the project a point (x, y) is in pixels of the original image, x right, y down, (0, 0) the top-left
corner of the top-left pixel; a box is half-open `(x1, y1, x2, y2)`: a one-pixel object at (3, 5) has the box
(3, 5, 4, 6). There is no `+1` anywhere. `to_image` is the only way into this frame and `from_image` the only
way out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Grounding:
    """Where the answer is: `box` xyxy half-open and two `points` xy, all in pixels of the original image."""

    box: Box
    points: tuple[Point, Point]


@dataclass(frozen=True)
class Frame:
    """How a model family writes coordinates.

    Args:
        name: for messages and records.
        limit: the number that stands for the far edge of a side, such as 1000; None when the numbers are
            pixels of the resized input that the model saw.
        axes: "xy", or "yx" for families that write y first (Gemini).
    """

    name: str
    limit: float | None = None
    axes: str = "xy"

    def __post_init__(self) -> None:
        if self.axes not in ("xy", "yx"):
            raise ValueError(f"frame {self.name!r}: axes must be 'xy' or 'yx', got {self.axes!r}")
        if self.limit is not None and not self.limit > 0:
            raise ValueError(f"frame {self.name!r}: limit must be positive or None, got {self.limit!r}")


INPUT_PIXELS = Frame("input pixels")  # Qwen2.5-VL: absolute pixels of the resized input
THOUSAND = Frame("0..1000", 1000)  # Qwen3-VL, InternVL
THOUSAND_YX = Frame("0..1000 yx", 1000, "yx")  # Gemini
EMBEDDED = Frame("0..255", 255)  # the embedded CRM: one token a number
FRAMES = {frame.name: frame for frame in (INPUT_PIXELS, THOUSAND, THOUSAND_YX, EMBEDDED)}


class GroundingError(ValueError):
    """A box or points that are no place in the image; the message says what came and what was expected."""


def _scale(frame: Frame, image_wh: tuple[int, int], input_wh: tuple[int, int] | None) -> tuple[float, float]:
    """Image pixels per unit of `frame`, (x, y)."""
    if min(image_wh) < 1:
        raise ValueError(f"image_wh must be positive, got {image_wh}")
    if frame.limit is not None:
        return image_wh[0] / frame.limit, image_wh[1] / frame.limit
    if input_wh is None or min(input_wh) < 1:
        raise ValueError(
            f"frame {frame.name!r} is in pixels of the resized input: give input_wh (width, height), got "
            f"{input_wh}"
        )
    return image_wh[0] / input_wh[0], image_wh[1] / input_wh[1]


def _flip(values: Sequence[float], frame: Frame) -> list[float]:
    """Swap each (y, x) pair to (x, y) or back; its own inverse."""
    if frame.axes == "xy":
        return list(values)
    return [values[i ^ 1] for i in range(len(values))]


def to_image(
    bbox: Sequence[float],
    points: Sequence[Sequence[float]],
    frame: Frame,
    image_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
) -> Grounding:
    """Convert numbers as a model wrote them to pixels of the original image. Nothing is clipped or ordered
    (see `repair`).

    Args:
        bbox: four numbers in `frame`.
        points: two pairs in `frame`.
        image_wh: (width, height) of the original image.
        input_wh: of the resized input, for frames without a limit.

    Errors: ValueError for a size that is missing or not positive.
    """
    sx, sy = _scale(frame, image_wh, input_wh)
    x1, y1, x2, y2 = _flip(bbox, frame)
    (ax, ay), (bx, by) = (_flip(p, frame) for p in points)
    return Grounding((x1 * sx, y1 * sy, x2 * sx, y2 * sy), ((ax * sx, ay * sy), (bx * sx, by * sy)))


def written_as_shares(bbox: Sequence[float], points: Sequence[Sequence[float]]) -> bool:
    """Whether an answer's numbers can only mean shares of the image's sides: all lie in 0..1 and not all are
    whole. In every frame that a model is asked for they would be a box of less than one unit.
    """
    numbers = [*bbox, *(value for point in points for value in point)]
    return all(0 <= value <= 1 for value in numbers) and any(value % 1 for value in numbers)


def from_image(
    grounding: Grounding,
    frame: Frame,
    image_wh: tuple[int, int],
    input_wh: tuple[int, int] | None = None,
) -> tuple[tuple[float, ...], tuple[tuple[float, ...], tuple[float, ...]]]:
    """The inverse of `to_image`: (bbox, points) in `frame`, not rounded."""
    sx, sy = _scale(frame, image_wh, input_wh)
    x1, y1, x2, y2 = grounding.box
    bbox = tuple(_flip([x1 / sx, y1 / sy, x2 / sx, y2 / sy], frame))
    first, second = (tuple(_flip([x / sx, y / sy], frame)) for x, y in grounding.points)
    return bbox, (first, second)


def repair(grounding: Grounding, image_wh: tuple[int, int]) -> tuple[Grounding, tuple[str, ...]]:
    """(the grounding inside [0, w] x [0, h], one sentence per repair; none when nothing was changed).

    Swapped corners are ordered, and what lies outside the image is clipped to it.

    Errors: GroundingError for a number that is not finite, and for a box without area in the image.
    """
    numbers = [*grounding.box, *grounding.points[0], *grounding.points[1]]
    if not np.isfinite(numbers).all():
        raise GroundingError(f"the answer holds a coordinate that is not a finite number: {numbers}")
    width, height = image_wh
    x1, y1, x2, y2 = grounding.box
    notes = []
    if x1 > x2 or y1 > y2:
        x1, x2 = sorted((x1, x2))
        y1, y2 = sorted((y1, y2))
        notes.append("The box came with swapped corners; they were put in order.")
    box = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
    if not (box[2] > box[0] and box[3] > box[1]):
        raise GroundingError(
            f"the box {_round(grounding.box)} holds no part of the {width} x {height} image; expected x1 < "
            "x2 and y1 < y2 inside it"
        )
    points = tuple((float(min(max(x, 0), width)), float(min(max(y, 0), height))) for x, y in grounding.points)
    if box != (x1, y1, x2, y2) or points != tuple((float(x), float(y)) for x, y in grounding.points):
        notes.append("Part of the answer lay outside the image; it was cut at the edge.")
    return Grounding(box, points), tuple(notes)


def _round(values: Sequence[float]) -> list[float]:
    return [round(float(v), 1) for v in values]


def mask_to_box(mask: np.ndarray) -> Box:
    """Tight half-open box of a boolean mask (H, W); ValueError if it is empty."""
    rows, cols = np.any(mask, axis=1), np.any(mask, axis=0)
    if not rows.any():
        raise ValueError("the mask is empty: it has no pixel set, so it has no box")
    y1, y2 = np.flatnonzero(rows)[[0, -1]]
    x1, x2 = np.flatnonzero(cols)[[0, -1]]
    return float(x1), float(y1), float(x2 + 1), float(y2 + 1)


def mask_to_points(mask: np.ndarray) -> tuple[Point, Point]:
    """Two key points of a boolean mask (H, W), as pixel centres inside it. Errors: ValueError for an empty
    mask.

    The first is the centre of the largest inscribed circle, the second the pixel farthest from it among those
    at least half as deep. The published set does not state its rule; this is the one that its examples allow.
    """
    x1, y1, x2, y2 = (int(v) for v in mask_to_box(mask))
    padded = np.pad(mask[y1:y2, x1:x2], 1)  # outside the image counts as outside the mask
    depth = ndimage.distance_transform_edt(padded)[1:-1, 1:-1]
    first = np.unravel_index(np.argmax(depth), depth.shape)
    deep = np.argwhere(depth >= 0.5 * depth[first])
    second = deep[np.argmax(((deep - first) ** 2).sum(axis=1))]
    return (x1 + first[1] + 0.5, y1 + first[0] + 0.5), (x1 + second[1] + 0.5, y1 + second[0] + 0.5)

"""What one completion is judged against: the truth in pixels of the original image, and the frame of the model that wrote it.

Is: the columns of a training row, read once and checked. A broken reference is None, so that a reward of None keeps it out of the loss.
Is not: a judge; the terms are in `paper.py`, `seg_zero.py` and `ours.py`.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from medreasoner.geometry import INPUT_PIXELS, Box, Frame, Point

SQUARE = 840.0  # the published system's images are 840 x 840, and its thresholds are in pixels of that


@dataclass(frozen=True, eq=False)
class Reference:
    """The truth of one row.

    Args:
        box: xyxy half-open, points: two xy, both in pixels of the original image. image_wh: its (width, height).
        frame: in which the completion's numbers are written. input_wh: of the resized input, for frames without a limit.
        mask: (H, W) bool, or None.
        think: whether reasoning was asked for.
    """

    box: Box
    points: tuple[Point, Point]
    image_wh: tuple[int, int]
    frame: Frame = INPUT_PIXELS
    input_wh: tuple[int, int] | None = None
    mask: np.ndarray | None = field(default=None, repr=False)
    think: bool = True

    @property
    def size(self) -> float:
        """The object's own unit of length: the diagonal of its box, pixels."""
        return math.hypot(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @cached_property
    def distance(self) -> np.ndarray:
        """(H, W) float: how far each pixel is from the mask, 0 inside it."""
        return ndimage.distance_transform_edt(~self.mask)

    def squared(self) -> tuple[list[float], list[list[float]]]:
        """(box, points) in the published system's 840 x 840 square."""
        sx, sy = SQUARE / self.image_wh[0], SQUARE / self.image_wh[1]
        return [v * s for v, s in zip(self.box, (sx, sy, sx, sy), strict=True)], [
            [x * sx, y * sy] for x, y in self.points
        ]


def read_reference(
    bbox_2d: object,
    point_2d: object,
    image_wh: object,
    mask: object = None,
    frame: Frame = INPUT_PIXELS,
    input_wh: tuple[int, int] | None = None,
    think: object = True,
) -> Reference | None:
    """A row's columns as a Case; None if they hold no usable truth: not numbers, no area, points that are not two pairs, an unreadable or
    empty mask, or one of another size than the image.

    Args:
        bbox_2d: four numbers, point_2d: two pairs, in pixels of the original image. image_wh: (width, height).
        mask: None, a path, a PIL image or an array (H, W); whatever is over half its range is the target.
    """
    box, size = _numbers(bbox_2d, 4), _numbers(image_wh, 2)
    points = (
        [_numbers(p, 2) for p in point_2d]
        if isinstance(point_2d, (list, tuple, np.ndarray)) and len(point_2d) == 2
        else [None]
    )
    if (
        box is None
        or size is None
        or None in points
        or not (box[2] > box[0] and box[3] > box[1])
        or min(size) < 1
    ):
        return None
    wh = int(size[0]), int(size[1])
    target = (
        read_mask(str(mask)) if isinstance(mask, (str, Path)) else None if mask is None else _as_bool(mask)
    )
    if mask is not None and (target is None or not target.any() or target.shape != wh[::-1]):
        return None
    seen = input_wh if frame.limit is not None or input_wh is not None else wh
    return Reference(box, tuple(points), wh, frame, seen, target, think is not False)


@lru_cache(maxsize=512)
def read_mask(path: str) -> np.ndarray | None:
    """(H, W) bool from a picture file, None if it is no picture. The last 512 are kept: a group of completions shares its mask."""
    try:
        with Image.open(path) as picture:
            return _as_bool(picture)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None


def _as_bool(mask: object) -> np.ndarray | None:
    values = np.asarray(mask.convert("L") if isinstance(mask, Image.Image) else mask)
    return None if values.ndim != 2 else values > values.max(initial=0) / 2


def _numbers(values: object, count: int) -> tuple[float, ...] | None:
    if not isinstance(values, (list, tuple, np.ndarray)) or len(values) != count:
        return None
    if not all(
        isinstance(v, (int, float, np.number)) and not isinstance(v, bool) and abs(v) < 1e9 for v in values
    ):
        return None  # NaN is not less than anything
    return tuple(float(v) for v in values)

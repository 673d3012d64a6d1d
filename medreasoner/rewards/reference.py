"""What completions are judged against: the truth of a training row, in pixels of the original image."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from scipy import ndimage

from medreasoner.geometry import INPUT_PIXELS, Box, Frame, Point

SQUARE = 840  # side of the published system's images in pixels; its thresholds are in these
LARGEST = 1e9  # a coordinate beyond this is taken for damage
POINTS, BOX_NUMBERS, PAIR = 2, 4, 2
LISTS, NUMBERS = (list, tuple, np.ndarray), {int, float}
EMPTY = object()  # stands where there is no row before


@dataclass(frozen=True, eq=False)
class Reference:
    """The truth of one row, and how the completion writes coordinates.

    Args:
        box: xyxy half-open, points: two xy, both in pixels of the original image; None where the image
            shows nothing of what is asked for.
        image_wh: its (width, height).
        frame: in which the completion's numbers are written.
        input_wh: (width, height) of the resized input, for frames without a limit.
        mask: (H, W) bool, or None.
        think: whether reasoning was asked for.
    """

    box: Box | None
    points: tuple[Point, Point] | None
    image_wh: tuple[int, int]
    frame: Frame = INPUT_PIXELS
    input_wh: tuple[int, int] | None = None
    mask: np.ndarray | None = field(default=None, repr=False)
    think: bool = True

    @property
    def absent(self) -> bool:
        """Whether the right answer is that nothing is there."""
        return self.box is None

    @property
    def diagonal(self) -> float:
        """Of the box, pixels: the unit in which `ours.py` measures distances."""
        return math.hypot(self.box[2] - self.box[0], self.box[3] - self.box[1])

    @cached_property
    def distance(self) -> np.ndarray:
        """(H, W) float, pixels: how far each pixel is from the mask, 0 inside it."""
        return ndimage.distance_transform_edt(~self.mask)

    @cached_property
    def in_square(self) -> tuple[list[float], list[list[float]], float]:
        """(box, points, diagonal of the box) in the published system's 840 x 840 square."""
        sx, sy = SQUARE / self.image_wh[0], SQUARE / self.image_wh[1]
        x1, y1, x2, y2 = self.box
        box = [x1 * sx, y1 * sy, x2 * sx, y2 * sy]
        return box, [[x * sx, y * sy] for x, y in self.points], math.dist(box[:2], box[2:])


def read_references(
    bbox_2d: Sequence,
    point_2d: Sequence,
    image_wh: Sequence,
    mask: Sequence | None,
    think: Sequence | None,
    frame: Frame,
    input_wh: tuple[int, int] | None,
    *,
    absent: Sequence | None = None,
) -> list[Reference | None]:
    """`read_reference` of every row. Neighbouring equal rows, as in a group of completions, share one
    object."""
    none = [None] * len(bbox_2d)
    references: list[Reference | None] = []
    before, found = (EMPTY,) * 6, None
    for row in zip(bbox_2d, point_2d, image_wh, mask or none, think or none, absent or none, strict=True):
        if not all(map(_same, row, before)):
            *truth, thinking, nothing = row
            found = read_reference(*truth, frame, input_wh, thinking, absent=nothing)
        references.append(found)
        before = row
    return references


def _same(a: object, b: object) -> bool:
    return a is b or (type(a) is type(b) and not hasattr(a, "shape") and a == b)


def read_reference(
    bbox_2d: object,
    point_2d: object,
    image_wh: object,
    mask: object = None,
    frame: Frame = INPUT_PIXELS,
    input_wh: tuple[int, int] | None = None,
    think: object = True,
    *,
    absent: object = None,
) -> Reference | None:
    """The truth in the columns of a training row; None if they hold none that can be used: not numbers, no
    area, points that are not two pairs, a mask that is unreadable, empty or of another size than the image,
    a place of what is said to be absent.

    Args:
        bbox_2d: four numbers, point_2d: two pairs, in pixels of the original image.
        image_wh: (width, height).
        mask: None, a path, a PIL image or an array (H, W); whatever is over half its range is the target.
        think: False where no reasoning was asked for.
        absent: True where the image shows nothing of what is asked for; box, points and mask are None then.
    """
    if absent is True:
        return _read_absence((bbox_2d, point_2d, mask), image_wh, frame, input_wh, think)
    box, points, size = _numbers(bbox_2d, BOX_NUMBERS), _pairs(point_2d), _numbers(image_wh, PAIR)
    if box is None or points is None or size is None:
        return None
    if not (box[2] > box[0] and box[3] > box[1]) or min(size) < 1:
        return None
    wh = int(size[0]), int(size[1])
    target = None
    if mask is not None:
        target = read_mask(str(mask)) if isinstance(mask, str | Path) else _as_bool(mask)
        if target is None or not target.any() or target.shape != wh[::-1]:
            return None
    seen = wh if frame.limit is None and input_wh is None else input_wh
    return Reference(box, points, wh, frame, seen, target, think is not False)


def _read_absence(
    place: tuple, image_wh: object, frame: Frame, input_wh: tuple[int, int] | None, think: object
) -> Reference | None:
    """That of a row whose image shows nothing of what is asked for; None where it states a `place` anyway."""
    size = _numbers(image_wh, PAIR)
    if any(value is not None for value in place) or size is None or min(size) < 1:
        return None
    wh = int(size[0]), int(size[1])
    seen = wh if frame.limit is None and input_wh is None else input_wh
    return Reference(None, None, wh, frame, seen, None, think is not False)


@lru_cache(maxsize=512)
def read_mask(path: str) -> np.ndarray | None:
    """(H, W) bool from a picture file, None if it is no picture. The last 512 are cached: groups share a
    mask."""
    try:
        with Image.open(path) as picture:
            return _as_bool(picture)
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None


def _as_bool(mask: object) -> np.ndarray | None:
    values = np.asarray(mask.convert("L") if isinstance(mask, Image.Image) else mask)
    return values > values.max(initial=0) / 2 if values.ndim == len("HW") else None


def _pairs(values: object) -> tuple[Point, Point] | None:
    if not isinstance(values, LISTS) or len(values) != POINTS:
        return None
    first, second = _numbers(values[0], PAIR), _numbers(values[1], PAIR)
    return None if first is None or second is None else (first, second)


def _numbers(values: object, count: int) -> tuple[float, ...] | None:
    """`count` finite numbers as floats, None for anything else; True and False are no numbers here."""
    if not isinstance(values, LISTS) or len(values) != count:
        return None
    plain = NUMBERS.issuperset(map(type, values))
    if not plain and not all(type(v) in NUMBERS or isinstance(v, np.number) for v in values):
        return None
    for value in values:
        if not -LARGEST < value < LARGEST:  # NaN is in no range
            return None
    return tuple(map(float, values))

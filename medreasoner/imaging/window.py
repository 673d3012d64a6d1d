"""A window (level and width): its curve, the presets for CT, and how it is named."""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from medreasoner.imaging.types import ImageError

LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"
BLOCK = 1 << 20  # values that are rescaled at a time
_NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,9})?"
_LEVEL_WIDTH = re.compile(rf"\s*({_NUMBER})\s*/\s*({_NUMBER})\s*")


class GrayMapping(Protocol):
    """Maps grey values to 8 bits: a `Window`, or a lookup table of a DICOM file."""

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values of any shape -> uint8 of the same shape."""
        ...


@dataclass(frozen=True)
class Window:
    """Maps the values within `width` around `center` to 0..255, in the image's own units.

    Args:
        center: DICOM's WindowCenter, which radiologists call the level.
        width: DICOM's WindowWidth.
        function: DICOM's VOILUTFunction (PS3.3 C.11.2.1.2 and C.11.2.1.3).

    Errors: ValueError if no curve can have that width.
    """

    center: float
    width: float
    function: str = LINEAR_EXACT

    def __post_init__(self) -> None:
        least = 1 if self.function == LINEAR else 1e-9
        if self.function not in (LINEAR, LINEAR_EXACT, SIGMOID):
            raise ValueError(f"the window function {self.function!r} is not known")
        if not (math.isfinite(self.center) and math.isfinite(self.width) and self.width >= least):
            raise ValueError(
                f"a {self.function} window needs a finite level and a width of at least {least}, got {self}"
            )

    @property
    def limits(self) -> tuple[float, float]:
        """The values at which black ends and white begins."""
        return self.center - self.width / 2, self.center + self.width / 2

    def __str__(self) -> str:
        return f"level {self.center:g}, width {self.width:g}"

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Real values -> uint8: 0 up to the window's lower end, 255 from the upper one on; NaN is 0."""
        if self.function == SIGMOID:
            with np.errstate(over="ignore"):
                curve = 255 / (1 + np.exp(-4 * (values - self.center) / self.width))
            return np.rint(np.nan_to_num(curve, copy=False)).astype(np.uint8)
        center, half = self.center, self.width / 2
        if self.function == LINEAR:
            center, half = self.center - 0.5, (self.width - 1) / 2
        if half == 0:  # a LINEAR window of width 1 is a threshold
            return np.where(values > center, np.uint8(255), np.uint8(0))
        return rescale_to_uint8(values, center - half, center + half)


# Hounsfield units; radiopaedia.org/articles/windowing-ct, the middle where it gives a range
CT_WINDOWS = {
    "CT soft tissue": Window(50, 400),
    "CT brain": Window(40, 80),
    "CT subdural": Window(75, 215),
    "CT stroke": Window(40, 40),
    "CT mediastinum": Window(50, 350),
    "CT lung": Window(-600, 1500),
    "CT liver": Window(30, 150),
    "CT bone": Window(400, 1800),
    "CT temporal bone": Window(600, 2800),
}
CT_DEFAULT = "CT soft tissue"


def resolve_window(requested: str, names: Iterable[str]) -> str | Window:
    """The name among `names` that `requested` means, or the window it spells as "LEVEL/WIDTH".

    "file 2" also means "file 2: LUNG". Errors: ImageError that lists what there is.
    """
    names = list(names)
    for name in names:
        if requested == name or name.startswith(f"{requested}: "):
            return name
    spelled = _LEVEL_WIDTH.fullmatch(requested)
    try:
        if spelled:
            return Window(float(spelled[1]), float(spelled[2]))
    except ValueError as error:
        raise ImageError(f"The window {requested!r} cannot be used: {error}.") from error
    raise ImageError(
        f"There is no window {requested[:40]!r} here; expected LEVEL/WIDTH such as 40/400, "
        f"or one of: {', '.join(names)}."
    )


def rescale_to_uint8(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values -> uint8, linear from `low` = 0 to `high` = 255, clipped; NaN is 0. All 0 when the two are
    equal.

    Equal values of different types become equal bytes.
    """
    pixels = np.zeros(values.shape, np.uint8)
    if not high > low:
        return pixels
    rows = max(1, BLOCK // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        block = values[start : start + rows].astype(np.float64)
        np.nan_to_num(np.clip(block, low, high, out=block), copy=False, nan=low)
        block -= low
        block *= 255
        block /= high - low
        pixels[start : start + rows] = np.rint(block, out=block)
    return pixels

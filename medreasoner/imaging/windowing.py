"""Values deeper than 8 bits -> 8 bits to look at.

Is: windows (level and width), the presets for CT, and what is done where nobody says which window: the 0.5 to 99.5 percentile.
Is not: a reader; modality and VOI tables of a DICOM file are applied in `dicom.py`.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from medreasoner.imaging.types import ImageError

AS_STORED, AUTO, FULL = "as stored", "auto", "full range"
LINEAR, LINEAR_EXACT, SIGMOID = "LINEAR", "LINEAR_EXACT", "SIGMOID"
_NUMBER = r"[-+]?\d{1,9}(?:\.\d{1,9})?"
_PAIR = re.compile(rf"\s*({_NUMBER})\s*/\s*({_NUMBER})\s*")


@dataclass(frozen=True)
class Window:
    """Which values are told apart: those within `width` around `level`, in the image's own units. `function` is DICOM's name of the curve
    (PS3.3 C.11.2.1.2 and C.11.2.1.3); ValueError if no curve can have that width."""

    center: float
    width: float
    function: str = LINEAR_EXACT

    def __post_init__(self):
        least = 1 if self.function == LINEAR else 1e-9
        if self.function not in (LINEAR, LINEAR_EXACT, SIGMOID):
            raise ValueError(f"the window function {self.function!r} is not known")
        if not (math.isfinite(self.center) and math.isfinite(self.width) and self.width >= least):
            raise ValueError(
                f"a {self.function} window needs a finite level and a width of at least {least}, got {self}"
            )

    def __str__(self) -> str:
        return f"level {self.center:g}, width {self.width:g}"


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
HOUNSFIELD_AIR = -200  # a slice of a CT holds air, which is lower than what other images begin at


class Windowed(NamedTuple):
    """`pixels` uint8, None where they went elsewhere; the name of the `window` they are seen in, those there are to choose from, and what
    was done, as sentences."""

    pixels: np.ndarray | None
    window: str | None = None
    windows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def resolve_window(asked: str, names: Iterable[str]) -> str | Window:
    """The name among `names` that `asked` means, or the window it spells as "LEVEL/WIDTH".

    "file 2" also means "file 2: LUNG". Errors: ImageError that lists what there is.
    """
    names = list(names)
    for name in names:
        if asked == name or name.startswith(f"{asked}: "):
            return name
    spelt = _PAIR.fullmatch(asked)
    try:
        if spelt:
            return Window(float(spelt[1]), float(spelt[2]))
    except ValueError as error:
        raise ImageError(f"The window {asked!r} cannot be used: {error}.") from error
    raise ImageError(
        f"There is no window {asked[:40]!r} here; expected LEVEL/WIDTH such as 40/400, or one of: {', '.join(names)}."
    )


def apply_window(values: np.ndarray, window: Window) -> np.ndarray:
    """Real values of any shape -> uint8, 0 at the window's lower end and below, 255 at the upper and above."""
    if window.function == SIGMOID:
        with np.errstate(over="ignore"):
            return np.rint(255 / (1 + np.exp(-4 * (values - window.center) / window.width))).astype(np.uint8)
    if window.function == LINEAR:
        middle, half = window.center - 0.5, (window.width - 1) / 2
    else:
        middle, half = window.center, window.width / 2
    if half == 0:  # of a LINEAR window of width 1: a threshold
        return np.where(values > middle, np.uint8(255), np.uint8(0))
    return rescale_to_uint8(values, middle - half, middle + half)


def rescale_percentiles(values: np.ndarray, whole: bool = False) -> np.ndarray:
    """Any real values -> uint8 of the same shape, 0 and 255 at the 0.5 and 99.5 percentile (at the extremes, if those two are equal or
    the `whole` range is wanted).

    NaN becomes 0. Errors: ImageError for complex or composite values, and when nothing is finite.
    """
    if values.dtype.kind not in "buif":
        raise ImageError(f"Pixel values must be real numbers; got {values.dtype}.")
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        raise ImageError("The image holds no finite value; there is nothing to show.")
    low, high = (float(v) for v in np.percentile(finite, (0, 100) if whole else (0.5, 99.5)))
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    return rescale_to_uint8(values, low, high)


def rescale_to_uint8(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values -> uint8, linear from low = 0 to high = 255; all 0 when the two are equal."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    scaled = values.astype(np.result_type(values.dtype, np.float32))
    np.nan_to_num(np.clip(scaled, low, high, out=scaled), copy=False, nan=low)
    scaled -= low
    scaled *= 255 / (high - low)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def window_values(values: np.ndarray, asked: str | None = None) -> Windowed:
    """Values of a source that brings no window of its own, in the window that was `asked` for, else by percentiles.

    The presets for CT are offered where a value is as low as Hounsfield units begin. Errors: ImageError.
    """
    hounsfield = values.dtype.kind in "if" and np.fmin.reduce(values, axis=None) <= HOUNSFIELD_AIR
    presets = CT_WINDOWS if hounsfield else {}
    names = (AUTO, FULL, *presets)
    chosen = AUTO if asked is None else resolve_window(asked, names)
    if chosen in (AUTO, FULL):
        what = "Floating-point" if values.dtype.kind == "f" else f"{8 * values.dtype.itemsize}-bit"
        extent = "their 0.5 to 99.5 percentile" if chosen == AUTO else "the whole of their range"
        note = f"{what} values were scaled to 8 bits from {extent}."
        return Windowed(rescale_percentiles(values, chosen == FULL), chosen, names, (note,))
    window = chosen if isinstance(chosen, Window) else presets[chosen]
    return Windowed(apply_window(values, window), asked, names, (f"Shown in the window {asked} ({window}).",))

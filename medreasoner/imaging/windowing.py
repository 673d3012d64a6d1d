"""Grey values deeper than 8 bits become 8 bits, in the window that is asked for, or in the one that suits
them.

Not here: a window's own curve (see window.py), and the limits where there is no window (see auto_window.py).
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from medreasoner.imaging.auto_window import is_hounsfield, may_be_hounsfield, percentile_limits
from medreasoner.imaging.types import ImageError
from medreasoner.imaging.window import (
    CT_DEFAULT,
    CT_WINDOWS,
    GrayMapping,
    Window,
    rescale_to_uint8,
    resolve_window,
)

AS_STORED, AUTO, FULL = "as stored", "auto", "full range"


class Windowed(NamedTuple):
    """An image in 8 bits.

    Args:
        pixels: uint8; of Pillow's own images with 8 bits a channel, the image in RGB.
        window: the name it is shown in; None where the image needs none.
        windows: the names there are to choose from.
        notes: what was done, as sentences.
        values: (H, W), what the pixels were made from; None for colours.
        unit: of `values`, "HU" or "" where it is not known.
        limits: the values that are shown black and white; None where no straight line leads from one to the
            other.
    """

    pixels: np.ndarray | Image.Image
    window: str | None = None
    windows: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    values: np.ndarray | None = None
    unit: str = ""
    limits: tuple[float, float] | None = None

    @property
    def origin(self) -> dict[str, object]:
        """The fields that a `LoadedImage` keeps."""
        return {"values": self.values, "unit": self.unit, "limits": self.limits}


def inverted(windowed: Windowed, reason: str) -> Windowed:
    """The negative; `reason` is the term of the file format that asks for it."""
    note = f"The shades were inverted, as {reason} asks."
    limits = windowed.limits and windowed.limits[::-1]
    return windowed._replace(pixels=255 - windowed.pixels, notes=(*windowed.notes, note), limits=limits)


class WindowChoice(NamedTuple):
    """The windows one image can be shown in, beside the automatic ones.

    Args:
        named: name -> mapping, in the order in which they are offered.
        default: one of them, AS_STORED, or AUTO.
        as_stored: whether the values are 8-bit and may be shown without any window.
        reason: why the default is taken, as the beginning of a sentence.
        unit: of the values, "HU" or "".
    """

    named: Mapping[str, GrayMapping]
    default: str = AUTO
    as_stored: bool = False
    reason: str = ""
    unit: str = ""


def window_choice(values: np.ndarray) -> WindowChoice:
    """The windows for values of unknown origin: an array, a TIFF or PNG file, a NIfTI volume."""
    if is_hounsfield(values):
        return WindowChoice(CT_WINDOWS, CT_DEFAULT, reason="The values look like Hounsfield units", unit="HU")
    return WindowChoice(CT_WINDOWS if may_be_hounsfield(values) else {})


def window_values(
    values: np.ndarray,
    requested: str | None = None,
    choice: WindowChoice | None = None,
    padding: np.ndarray | None = None,
) -> Windowed:
    """Grey values (H, W) in the requested window, else in the default one of `choice`.

    Args:
        values: real numbers of any type, in the units of the windows.
        choice: None for values of unknown origin, see `window_choice`.
        padding: (H, W) bool, True where no image was taken; it does not count for the automatic window.

    Errors: ImageError for values that are no real numbers, or none of them finite, and for an unknown window.
    """
    if values.dtype.kind not in "buif":
        raise ImageError(f"Pixel values must be real numbers; got {values.dtype}.")
    choice = window_choice(values) if choice is None else choice
    names = (*choice.named, *([AS_STORED] if choice.as_stored else []), AUTO, FULL)
    selected = resolve_window(requested or choice.default, names)
    if selected == AS_STORED:
        return Windowed(values, AS_STORED, names, values=values, unit=choice.unit, limits=(0, 255))
    if selected in (AUTO, FULL):
        name, notes = selected, (_automatic_note(values, selected),)
        limits = percentile_limits(values, padding, whole=selected == FULL)
        pixels = rescale_to_uint8(values, *limits)
    else:
        name = requested if isinstance(selected, Window) else selected
        mapping = selected if isinstance(selected, Window) else choice.named[selected]
        limits = mapping.limits if isinstance(mapping, Window) else None
        pixels = mapping.apply(values)
        notes = (f"Shown {_described(name, mapping)}.", *_hidden(pixels, values))
    if choice.reason and not requested:
        notes = (f"{choice.reason}; {notes[0][0].lower()}{notes[0][1:]}", *notes[1:])
    return Windowed(pixels, name, names, notes, values, choice.unit, limits)


def _described(name: str, mapping: GrayMapping) -> str:
    if isinstance(mapping, Window):
        return f"in the window {name} ({mapping})"
    return f"through the lookup table {name}"


def _hidden(pixels: np.ndarray, values: np.ndarray) -> tuple[str, ...]:
    """A warning where the window leaves nothing to see."""
    if pixels.min() < pixels.max() or values.min() == values.max():
        return ()
    return (
        f"Every value lies outside this window, so that nothing can be seen; the window {AUTO!r} shows them.",
    )


def _automatic_note(values: np.ndarray, selected: str) -> str:
    kind = "Floating-point" if values.dtype.kind == "f" else f"{8 * values.dtype.itemsize}-bit"
    extent = "the whole of their range" if selected == FULL else "their 0.5 to 99.5 percentile"
    return f"{kind} values were scaled to 8 bits from {extent}."

"""Grey values of a DICOM frame as a reading room shows them: stored values -> modality LUT -> window or VOI
LUT -> 8 bits.
"""

from typing import NamedTuple

import numpy as np

from medreasoner.imaging.auto_window import HOUNSFIELD_AIR
from medreasoner.imaging.dicom_header import FrameHeader, read_value
from medreasoner.imaging.dicom_lut import read_table
from medreasoner.imaging.dicom_pixels import PixelFormat
from medreasoner.imaging.types import ImageError
from medreasoner.imaging.window import (
    CT_DEFAULT,
    CT_WINDOWS,
    LINEAR,
    LINEAR_EXACT,
    SIGMOID,
    GrayMapping,
    Window,
)
from medreasoner.imaging.windowing import AS_STORED, AUTO, WindowChoice, Windowed, inverted, window_values

MAX_FILE_WINDOWS = 8  # a file may hold many; a menu should not
BYTE = 8
# BodyPartExamined -> the window of a CT that brings none
REGIONS = {
    "HEAD": "CT brain",
    "BRAIN": "CT brain",
    "CHEST": "CT mediastinum",
    "LUNG": "CT lung",
    "LIVER": "CT liver",
}


class Rescaled(NamedTuple):
    """Values after the modality transformation.

    Args:
        values: in the units of the file's windows, if `known_units`; else as they are stored.
        may_be_negative: whether such values can be negative, which tells how tables for them are written.
        has_rescale: whether the file says how to get from stored values to these.
    """

    values: np.ndarray
    may_be_negative: bool
    has_rescale: bool
    known_units: bool = True
    notes: tuple[str, ...] = ()


def window_frame(
    stored: np.ndarray, pixels: PixelFormat, header: FrameHeader, requested: str | None
) -> Windowed:
    """Stored grey values (rows, columns) as 8 bits, air dark, padding black.

    The window is the requested one, else the file's first, else, for a CT, that of its region, else
    automatic.
    Errors: ImageError for an unknown window and for a modality LUT that cannot be read.
    """
    padding = padding_mask(stored, pixels, header)
    rescaled = _rescale(stored, pixels, header)
    choice = _choice(rescaled, pixels, header)
    windowed = window_values(rescaled.values, requested, choice, padding)
    if pixels.photometric == "MONOCHROME1":
        windowed = inverted(windowed, "MONOCHROME1")
    if padding is not None:
        windowed = windowed._replace(pixels=np.where(padding, np.uint8(0), windowed.pixels))
    return windowed._replace(notes=(*rescaled.notes, *windowed.notes))


def padding_mask(stored: np.ndarray, pixels: PixelFormat, header: FrameHeader) -> np.ndarray | None:
    """Where the header says that no image was taken (PS3.3 C.7.5.1.1.2), bool; None where it says nothing."""
    prefix = "" if stored.dtype.kind in "iu" else "Double" * (stored.dtype == np.float64) + "Float"
    first = header.number(f"{prefix}PixelPaddingValue")
    last = header.number(f"{prefix}PixelPaddingRangeLimit")
    if first is None:
        return None
    low, high = sorted(
        _as_stored(value, stored, pixels) for value in (first, first if last is None else last)
    )
    padding = (stored >= low) & (stored <= high)
    return padding if padding.any() and not padding.all() else None


def _as_stored(value: float, stored: np.ndarray, pixels: PixelFormat) -> float:
    """A value of the header as the pixels hold it, whichever sign it was written with."""
    if stored.dtype.kind == "f":
        return value
    bits = min(pixels.bits_stored or 8 * stored.dtype.itemsize, 8 * stored.dtype.itemsize)
    wrapped = int(value) % (1 << bits)
    return wrapped - (1 << bits) if stored.dtype.kind == "i" and wrapped >> (bits - 1) else wrapped


def _rescale(stored: np.ndarray, pixels: PixelFormat, header: FrameHeader) -> Rescaled:
    """Apply the modality LUT or rescale (PS3.3 C.11.1), as far as the file has one; empty ones count as
    absent.
    """
    if items := header.items("ModalityLUTSequence"):
        table = read_table(items[0], header.little_endian, pixels.signed)
        if table is None:
            raise ImageError(
                "The DICOM file's modality LUT is damaged; without it the values have no meaning."
            )
        return Rescaled(table.look_up(stored), may_be_negative=False, has_rescale=True)
    slope, intercept = header.number("RescaleSlope"), header.number("RescaleIntercept")
    if slope == 0:
        header.refuse("RescaleSlope")
    if {"RescaleSlope", "RescaleIntercept"} & set(header.unreadable):
        note = (
            "Without a usable rescale the stored values are shown, and the file's own windows are left out."
        )
        return Rescaled(stored, pixels.signed, has_rescale=False, known_units=False, notes=(note,))
    if slope is None and intercept is None:
        return Rescaled(stored, pixels.signed, has_rescale=False)
    slope, intercept = 1.0 if slope is None else slope, intercept or 0.0
    values = stored.astype(np.float64) * slope + intercept
    return Rescaled(values, pixels.signed or slope < 0 or intercept < 0, has_rescale=True)


def _choice(rescaled: Rescaled, pixels: PixelFormat, header: FrameHeader) -> WindowChoice:
    """The windows offered for these values, and the one that is shown unless another is requested."""
    named = _file_windows(rescaled, header) if rescaled.known_units else {}
    is_8_bit = rescaled.values.dtype == np.uint8
    reason = "" if named else "The file has no window"
    if _is_hounsfield(rescaled, header):
        region = REGIONS.get(header.text("BodyPartExamined").upper(), CT_DEFAULT)
        default = next(iter(named), region)
        return WindowChoice({**named, **CT_WINDOWS}, default, is_8_bit, reason, "HU")
    default = AS_STORED if is_8_bit and pixels.bits_stored == BYTE else AUTO
    return WindowChoice(named, next(iter(named), default), is_8_bit, "" if default == AS_STORED else reason)


def _is_hounsfield(rescaled: Rescaled, header: FrameHeader) -> bool:
    """Whether the values are Hounsfield units: the file says so, or is a CT that says nothing else."""
    unit = header.text("RescaleType")
    if not rescaled.known_units or (unit and unit != "HU"):
        return False
    if unit == "HU":
        return True
    is_ct = header.text("Modality") == "CT"
    return is_ct and (rescaled.has_rescale or bool(rescaled.values.min() <= HOUNSFIELD_AIR))


def _file_windows(rescaled: Rescaled, header: FrameHeader) -> dict[str, GrayMapping]:
    """The file's own windows by name: VOI LUTs, then pairs of level and width. Unusable ones are left out."""
    found: list[tuple[GrayMapping, str]] = []
    for item in header.items("VOILUTSequence"):
        table = read_table(item, header.little_endian, rescaled.may_be_negative)
        if table is None:
            header.unreadable["VOILUTSequence"] = "a table that cannot be read"
        else:
            found.append((table, str(read_value(item, "LUTExplanation") or "")))
    function = header.text("VOILUTFunction")
    function = function if function in (LINEAR_EXACT, SIGMOID) else LINEAR
    explanations = header.texts("WindowCenterWidthExplanation")
    pairs = zip(header.numbers("WindowCenter"), header.numbers("WindowWidth"), strict=False)
    for i, (center, width) in enumerate(pairs):
        try:
            window = Window(center, width, function)
        except ValueError:  # a width of 0 stands in many files that have no window
            continue
        found.append((window, explanations[i] if i < len(explanations) else ""))
    return {
        _name(number, explanation): mapping
        for number, (mapping, explanation) in enumerate(found[:MAX_FILE_WINDOWS], start=1)
    }


def _name(number: int, explanation: str) -> str:
    shown = " ".join(explanation.split())[:32]
    return f"file {number}: {shown}" if shown.isprintable() and shown else f"file {number}"

"""Colours of a DICOM frame, from a palette or as they are stored, as RGB of 8 bits a channel."""

import struct

import numpy as np
from pydicom import Dataset
from pydicom.pixels import apply_color_lut

from medreasoner.imaging.array import refuse_window
from medreasoner.imaging.color import CHANNELS, colors_to_uint8
from medreasoner.imaging.dicom_header import ELEMENT_ERRORS
from medreasoner.imaging.dicom_pixels import PixelFormat
from medreasoner.imaging.types import damaged
from medreasoner.imaging.windowing import Windowed

PALETTE = "PALETTE COLOR"
COLOR_AXES = 3

# What pydicom 3 raises for a palette that is missing, cut short or of an impossible depth
_PALETTE_ERRORS = (*ELEMENT_ERRORS, AttributeError, TypeError, IndexError, struct.error)


def is_color(stored: np.ndarray, pixels: PixelFormat) -> bool:
    """Whether a frame is in colour, stored as such or by a palette."""
    return stored.ndim == COLOR_AXES or pixels.photometric == PALETTE


def color_frame(stored: np.ndarray, pixels: PixelFormat, dataset: Dataset, requested: str | None) -> Windowed:
    """Stored colours (rows, columns, 3), or indices (rows, columns) of a palette, as RGB.

    Errors: ImageError if a window is requested, and for a palette that cannot be read.
    """
    refuse_window(requested, "is in colour, which has none")
    bits = pixels.bits_stored
    if pixels.photometric == PALETTE:
        try:
            stored, bits = apply_color_lut(stored, dataset)[..., :CHANNELS], None
        except _PALETTE_ERRORS as error:
            raise damaged("DICOM palette", error) from error
    colors, notes = colors_to_uint8(stored, bits)
    return Windowed(colors, notes=notes)

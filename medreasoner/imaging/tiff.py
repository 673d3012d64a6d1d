"""TIFF files: through Pillow what it decodes, all other sample formats and compressions through tifffile."""

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import COMPRESSION_INFO, PREFIXES, TiffImageFile

from medreasoner.imaging.array import COLOR_AXES, GRAY_AXES, show_values
from medreasoner.imaging.color import BYTE, CHANNELS, colors_to_uint8
from medreasoner.imaging.exif import TURNED, TURNS
from medreasoner.imaging.raster import read_pil, read_raster
from medreasoner.imaging.types import (
    MAX_FRAMES,
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    damaged,
    refuse_slice_selection,
    select_number,
)
from medreasoner.imaging.windowing import Windowed, inverted, window_values

if TYPE_CHECKING:
    from tifffile import TiffPage

# TIFF 6.0: values of SampleFormat, BitsPerSample that Pillow unpacks, PhotometricInterpretation,
# PlanarConfiguration
UNSIGNED = 1
PILLOW_BITS = (1, 2, 4, 8)
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB = 0, 1, 2
SEPARATE_PLANES = 2
OPACITY = ((1,), (2,))  # ExtraSamples that mean it

# What tifffile 2026.3 and Pillow 12 raise on damaged data, found by breaking files at random
PARSE_ERRORS = (ValueError, OSError, TypeError, IndexError, KeyError, struct.error)
_DECODE_ERRORS = (ValueError, OSError, TypeError, IndexError, RuntimeError, ZeroDivisionError, struct.error)
_PILLOW_ERRORS = (OSError, ValueError, SyntaxError)


def is_tiff(data: bytes) -> bool:
    """Whether a file begins as TIFF or BigTIFF files do."""
    return data.startswith(tuple(PREFIXES))


def read_tiff(data: bytes, view: ViewSelection) -> LoadedImage:
    """One page of a TIFF file, the first unless `view` says otherwise. Errors: ImageError."""
    from tifffile import TiffFile

    refuse_slice_selection(view)
    try:
        pages = TiffFile(io.BytesIO(data)).pages
        count = len(pages)
    except PARSE_ERRORS:
        return read_raster(data, view)  # Pillow reads some that tifffile does not, or says what is wrong
    count = min(count, MAX_FRAMES)
    frame = select_number("frame", view.frame, count)
    try:
        page = pages[frame - 1].aspage()
        width, height = int(page.imagewidth), int(page.imagelength)
    except PARSE_ERRORS as error:
        raise damaged("TIFF", error) from error
    check_size(width, height)
    image = _pillow_image(page, data)
    if image is not None:
        return read_pil(image, view, count)
    return _read_page(page, frame, count, view.window)


def _pillow_image(page: "TiffPage", data: bytes) -> Image.Image | None:
    """The file as Pillow opens it, None if the page is not for Pillow.

    Pillow's own `open` would look at the size of the first page, which may not be the one that is shown.
    """
    if page.sampleformat != UNSIGNED or page.bitspersample not in PILLOW_BITS:
        return None
    if page.compression not in COMPRESSION_INFO:
        return None
    try:
        return TiffImageFile(io.BytesIO(data))
    except _PILLOW_ERRORS:
        return None


def _read_page(page: "TiffPage", frame: int, count: int, window: str | None) -> LoadedImage:
    try:
        values = page.asarray()
    except _DECODE_ERRORS as error:
        raise damaged("TIFF", error) from error
    windowed = _windowed(page, values, window)
    image = Image.fromarray(windowed.pixels).convert("RGB")
    notes = windowed.notes
    orientation = page.tags.valueof(ExifTags.Base.Orientation, 1)
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
        notes = (TURNED, *notes)
    return LoadedImage(
        image=image,
        kind="TIFF",
        notes=(f"Frame {frame} of {count} is shown.", *notes) if count > 1 else notes,
        view=ViewSelection(frame=frame if count > 1 else None, window=windowed.window),
        options=ViewOptions(frames=count, windows=windowed.windows),
    )


def _windowed(page: "TiffPage", values: np.ndarray, window: str | None) -> Windowed:
    """The samples of a page, grey or colour, as 8 bits. Errors: ImageError for any other meaning of them."""
    if values.ndim == COLOR_AXES and page.planarconfig == SEPARATE_PLANES:
        values = np.moveaxis(values, 0, 2)
    if values.ndim == COLOR_AXES and page.photometric == RGB and values.shape[2] >= CHANNELS:
        channels = CHANNELS + 1 if page.extrasamples[:1] in OPACITY else CHANNELS
        colors, notes = colors_to_uint8(values[..., :channels], page.bitspersample)
        shown = show_values(colors, window)
        return Windowed(shown.pixels, notes=(*notes, *shown.notes))
    if values.ndim == COLOR_AXES and values.shape[2] == 1 + 1 and page.extrasamples in OPACITY:
        values = values[..., 0]
    if values.ndim != GRAY_AXES or page.photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO):
        raise ImageError(
            f"The TIFF page holds samples of shape {values.shape} in the colour model {page.photometric}; "
            "expected grey values or RGB."
        )
    if values.dtype == bool:
        values = values.astype(np.uint8)
    show = show_values if page.bitspersample == BYTE and values.dtype == np.uint8 else window_values
    shown = show(values, window)
    return inverted(shown, "WhiteIsZero") if page.photometric == WHITE_IS_ZERO else shown

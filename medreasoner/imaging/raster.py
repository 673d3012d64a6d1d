"""Raster files that Pillow decodes, and Pillow's own images."""

import io
import struct
import warnings

import numpy as np
from PIL import Image

from medreasoner.imaging.array import LAID_ON_BLACK, lay_on_black, refuse_window
from medreasoner.imaging.exif import TURNED, TURNS, exif_orientation
from medreasoner.imaging.heif import is_heic, open_heic
from medreasoner.imaging.jpeg import lacks_data
from medreasoner.imaging.png import SIGNATURE, gray_with_opacity, lacks_rows, without_texts
from medreasoner.imaging.types import (
    MAX_FRAMES,
    MAX_PIXELS,
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    damaged,
    refuse_slice_selection,
    select_number,
)
from medreasoner.imaging.windowing import Windowed, window_values

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
EXPECTED = "expected PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, AVIF, HEIC, DICOM or NIfTI"
DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
OPACITY = "opacity"  # a key of Pillow's `info`: an image of floats, 0..1
TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa", "La")

# first bytes of files that people take for images -> what they are
OTHER_FILES = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive or an Office document",
    b"Rar!": "a RAR archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x89HDF": "an HDF5 file",
    b"<svg": "a drawing in SVG",
    b"<?xml": "a file of XML",
}
PRINTABLE = frozenset(range(32, 256)) - {127} | set(b"\t\n\r")

# What Pillow 12 raises on damaged data, by call; found by breaking some 60,000 files of these formats at
# random
_OPEN_ERRORS = (OSError, ValueError, RuntimeError, SyntaxError, IndexError)  # the last two: pi-heif
_SEEK_ERRORS = (OSError, ValueError, RuntimeError, TypeError, EOFError, IndexError, SyntaxError, struct.error)
_DECODE_ERRORS = (OSError, ValueError, RuntimeError, SyntaxError, KeyError, EOFError, struct.error)


def read_raster(data: bytes, view: ViewSelection) -> LoadedImage:
    """The contents of a file in one of FORMATS. Errors: ImageError."""
    image = _open(data)
    if image.format in ("JPEG", "MPO") and lacks_data(data):
        raise damaged("JPEG", ValueError("its data ends before its last row"))
    if image.format == "PNG":
        check_size(*image.size)
        if lacks_rows(data):
            raise damaged("PNG", ValueError("its data ends before its last row"))
        image = _with_deep_gray(image, without_texts(data))
    return read_pil(image, view)


def _with_deep_gray(image: Image.Image, data: bytes) -> Image.Image:
    """A PNG of 16-bit grey with opacity as grey alone, its opacity in `info[OPACITY]`; any other as it is."""
    try:
        samples = gray_with_opacity(data)
    except ValueError as error:
        raise damaged("PNG", error) from error
    if samples is None or _frames(image) > 1:
        return image
    gray = Image.fromarray(np.ascontiguousarray(samples[..., 0]))
    gray.format, gray.info = "PNG", {**image.info, OPACITY: Image.fromarray(samples[..., 1] / 65535)}
    return gray


def _open(data: bytes) -> Image.Image:
    """Read the header alone; Pillow decodes when the pixels are asked for."""
    if data.startswith(SIGNATURE):
        data = without_texts(data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `check_size` decides
            return open_heic(data) if is_heic(data) else Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(
            f"The image is larger than {MAX_PIXELS // 10**6} megapixels, which is the most that can be read."
        ) from None
    except Image.UnidentifiedImageError:
        raise ImageError(f"This cannot be read as an image: {EXPECTED}, got {_beginning(data)}.") from None
    except _OPEN_ERRORS as error:
        raise damaged("image", error) from error


def _beginning(data: bytes) -> str:
    """What a file that is no image seems to be, in words."""
    for start, kind in OTHER_FILES.items():
        if data.startswith(start):
            return kind
    if not set(data[:512]) - PRINTABLE:
        return "a file of text"
    return f"a file of another kind (its first bytes are {data[:4].hex(' ')})"


def read_pil(image: Image.Image, view: ViewSelection, count: int | None = None) -> LoadedImage:
    """A Pillow image of any mode; `count` are its frames, where somebody has counted them already. Errors:
    ImageError."""
    refuse_slice_selection(view)
    kind = image.format or "image"
    frames = count or _frames(image)
    frame = select_number("frame", view.frame, frames)
    upright, turned = _decode(image, frame, frames)
    windowed = _windowed(upright, view.window)
    picture = windowed.pixels
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture).convert("RGB")
    picture.info = {}  # comments, EXIF and texts, which Pillow would write into copies of the picture
    notes = (f"Frame {frame} of {frames} is shown.",) if frames > 1 else ()
    return LoadedImage(
        image=picture,
        kind=kind,
        notes=(*notes, *turned, *windowed.notes),
        view=ViewSelection(frame=frame if frames > 1 else None, window=windowed.window),
        options=ViewOptions(frames=frames, windows=windowed.windows),
    )


def _frames(image: Image.Image) -> int:
    """How many frames there are; 1 if they cannot be counted, for the first may be whole all the same."""
    try:
        # Pillow's images that cannot hold several have no such number
        return min(getattr(image, "n_frames", 1), MAX_FRAMES)
    except _SEEK_ERRORS:
        return 1


def _decode(image: Image.Image, frame: int, frames: int) -> tuple[Image.Image, tuple[str, ...]]:
    """One frame, upright, and a note if it had to be turned. Errors: ImageError."""
    kind = image.format or "image"
    try:
        if frames > 1:
            image.seek(frame - 1)
    except (*_SEEK_ERRORS, Image.DecompressionBombError) as error:
        raise damaged(kind, error) from error
    check_size(*image.size)
    # asked first: a TIFF turns itself while it loads
    stored = image.format == "TIFF" and exif_orientation(image)
    try:
        image.load()
    except _DECODE_ERRORS as error:
        raise damaged(kind, error) from error
    orientation = stored or exif_orientation(image)
    if orientation is None:
        return image, (
            "The EXIF data is damaged; the image is shown as it is stored, which may not be upright.",
        )
    if orientation not in TURNS:
        return image, ()
    return image if stored else _turned(image, TURNS[orientation]), (TURNED,)


def _turned(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    turned = image.transpose(turn)
    if OPACITY in image.info:
        turned.info[OPACITY] = image.info[OPACITY].transpose(turn)
    return turned


def _windowed(image: Image.Image, window: str | None) -> Windowed:
    """An image of any mode as RGB or grey of 8 bits."""
    if image.mode in DEEP_MODES:
        return _deep_gray(image, window)
    refuse_window(window, "has 8 bits a channel, which need none")
    if image.mode in TRANSPARENT_MODES or "transparency" in image.info:
        opaque, notes = lay_on_black(image)
        return Windowed(opaque, notes=notes)
    notes = ("CMYK colours were converted to RGB.",) if image.mode == "CMYK" else ()
    return Windowed(image.convert("RGB"), notes=notes)  # no array between, which is a third of the memory


def _deep_gray(image: Image.Image, window: str | None) -> Windowed:
    """Grey values deeper than 8 bits. Where they are transparent they are black, and no part of the automatic
    window.
    """
    values, opacity = np.asarray(image), image.info.get(OPACITY)
    if isinstance(image.info.get("transparency"), int):  # one grey value that means it
        share = (values != image.info["transparency"]).astype(float)
    else:
        share = np.ones(values.shape) if opacity is None else np.asarray(opacity)
    if share.min() == 1:
        return window_values(values, window)
    windowed = window_values(values, window, padding=share == 0)
    pixels = np.rint(windowed.pixels * share).astype(np.uint8)
    return windowed._replace(pixels=pixels, notes=(*windowed.notes, LAID_ON_BLACK))

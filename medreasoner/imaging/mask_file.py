"""Decodes mask files exactly as they are stored: labels are never windowed, resized or converted.

Photographs and scans are read by `imaging.read`, which scales deep values to 8 bits.
"""

import io
import struct
import warnings
from pathlib import Path

from PIL import Image

from medreasoner.imaging.png import lacks_rows
from medreasoner.imaging.types import MAX_PIXELS

FORMATS = ("PNG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG", "JPEG2000")
# what Pillow raises for damaged files of these formats
_PILLOW_ERRORS = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)


class MaskError(ValueError):
    """A file cannot be decoded as a mask; the message is the reason."""


def read_mask_image(source: Path | bytes) -> Image.Image:
    """The decoded picture in its own mode.

    Args:
        source: a path, or the bytes of a file.

    Errors: MaskError.
    """
    try:
        with _open(source) as image:
            _refuse_huge(image)
            image.load()
            if image.format == "PNG" and lacks_rows(
                source if isinstance(source, bytes) else source.read_bytes()
            ):
                raise ValueError("its data ends before its last row")
            return image
    except _PILLOW_ERRORS as error:
        raise MaskError(str(error) or type(error).__name__) from error


def mask_image_size(source: Path | bytes) -> tuple[int, int]:
    """(width, height), from the header alone. Errors: MaskError."""
    try:
        with _open(source) as image:
            return image.size
    except _PILLOW_ERRORS as error:
        raise MaskError(str(error) or type(error).__name__) from error


def _open(source: Path | bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_refuse_huge` has the last word
        return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS)


def _refuse_huge(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"{image.width} x {image.height} pixels; at most {MAX_PIXELS // 10**6} megapixels can be read"
        )

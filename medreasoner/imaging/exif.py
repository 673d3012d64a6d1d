"""EXIF orientation: which way up a picture belongs."""

import struct

from PIL import ExifTags, Image

# EXIF orientation -> how the picture is turned; 1 is upright, anything else has no meaning
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
TURNED = "The image was turned upright, as its EXIF orientation says."

# What Pillow 12 raises on damaged EXIF data; found by breaking files at random
_EXIF_ERRORS = (OSError, ValueError, SyntaxError, TypeError, KeyError, struct.error)


def exif_orientation(image: Image.Image) -> int | None:
    """EXIF orientation of an image, 1 if it has none, None if that cannot be read."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except _EXIF_ERRORS:
        return None

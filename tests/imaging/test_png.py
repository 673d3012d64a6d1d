"""PNG chunks that are dropped, and all others, byte for byte.

python -m pytest tests/imaging/test_png.py
"""

import struct
import zlib

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medreasoner.imaging.png import without_texts
from tests.medical import RGB, encoded, pixels


def test_a_png_without_texts_stays_as_it_is():
    whole = encoded(Image.fromarray(RGB))
    assert without_texts(whole) == whole


def test_texts_are_dropped_and_damage_is_kept():
    texts = PngInfo()
    texts.add_text("Description", "Jane's head")
    whole = encoded(Image.fromarray(RGB), pnginfo=texts)
    assert without_texts(whole) == encoded(Image.fromarray(RGB))
    for length in range(8, len(whole), 7):
        cut = without_texts(whole[:length])
        assert len(cut) <= length and encoded(Image.fromarray(RGB)).startswith(cut[: length - 60])


def test_the_orientation_in_a_text_of_imagemagick_is_kept():
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    profile = f"\nexif\n{len(exif):8d}\n{exif.hex()}\n".encode("ascii")
    contents = b"Raw profile type exif\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(contents)) + b"zTXt" + contents
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + contents))
    whole = encoded(Image.fromarray(RGB))
    assert np.array_equal(pixels(whole[:33] + chunk + whole[33:]), RGB[::-1, ::-1])

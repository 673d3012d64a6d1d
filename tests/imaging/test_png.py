"""PNG chunks that are dropped, rows that are missing, and grey of 16 bits with opacity.

python -m pytest tests/imaging/test_png.py
"""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medreasoner.imaging import load_image
from medreasoner.imaging.png import SIGNATURE, without_texts
from tests.medical import GRAY, RGB, encoded, pixels, refusal


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


def rows_of(count: int, depth: int = 8) -> bytes:
    """A PNG of 64 x 64 grey pixels whose data, whole in itself, ends after `count` rows."""
    rows = b"".join(b"\0" + bytes([200]) * (64 * depth // 8) for _ in range(count))
    header = struct.pack(">IIBBBBB", 64, 64, depth, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("count", [1, 40, 63])
def test_an_image_whose_last_rows_are_missing_is_refused(count, depth):
    assert "ends before its last row" in refusal(rows_of(count, depth))
    assert pixels(rows_of(64)).min() == 200


OPAQUE = np.full(GRAY.shape, 65535, np.uint16)
DEEP = GRAY * np.uint16(300)


def with_opacity(gray: np.ndarray, opacity: np.ndarray) -> bytes:
    return imagecodecs.png_encode(np.stack([gray, opacity], axis=-1))


def test_sixteen_bit_grey_with_opacity_shows_what_it_shows_without():
    loaded = load_image(with_opacity(DEEP, OPAQUE))
    assert np.array_equal(np.asarray(loaded.image), pixels(DEEP))
    assert loaded.view.window == "auto" and loaded.kind == "PNG"
    assert np.array_equal(pixels(with_opacity(DEEP, OPAQUE), window="300/600"), pixels(DEEP, window="300/600"))


def test_what_is_transparent_in_sixteen_bit_grey_is_black_and_no_part_of_the_window():
    outside = np.zeros(GRAY.shape, bool)
    outside[:, :10] = True
    gray = np.where(outside, np.uint16(65535), DEEP)  # the fill of an export tool
    inside = pixels(gray[:, 10:])
    for file in (
        with_opacity(gray, np.where(outside, np.uint16(0), OPAQUE)),
        encoded(Image.fromarray(gray), transparency=65535),
    ):
        loaded = load_image(file)
        shown = np.asarray(loaded.image)
        assert not shown[outside].any() and np.array_equal(shown[:, 10:], inside)
        assert "Transparent parts were laid on black." in loaded.notes


def test_sixteen_bit_grey_with_opacity_is_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    chunk = b"eXIf" + exif.tobytes().removeprefix(b"Exif\0\0")
    whole = with_opacity(DEEP, np.where(GRAY > 90, OPAQUE, 0).astype(np.uint16))
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    turned = pixels(whole[:33] + chunk + whole[33:])
    assert np.array_equal(turned, np.rot90(pixels(whole), -1))


def test_damage_of_sixteen_bit_grey_with_opacity_is_said():
    whole = bytearray(with_opacity(DEEP, OPAQUE))
    place = whole.index(b"IDAT") + 12
    whole[place : place + 8] = b"\xff" * 8
    assert "damaged" in refusal(bytes(whole))

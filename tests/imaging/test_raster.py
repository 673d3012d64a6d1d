"""Raster files that Pillow decodes.

python -m pytest tests/imaging/test_raster.py
"""

import gzip
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging import load_image
from tests.medical import GRAY, RGB, encoded, pages, pixels, refusal

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP", "PPM", "JPEG2000"])
def test_lossless_formats_come_through_exactly(kind):
    loaded = load_image(encoded(Image.fromarray(RGB), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert np.array_equal(np.asarray(loaded.image), RGB)
    assert (loaded.kind, loaded.notes, loaded.spacing_mm, loaded.image.mode) == (kind, (), None, "RGB")


@pytest.mark.parametrize("kind", ["JPEG", "GIF", "AVIF"])
def test_lossy_formats_come_through_nearly(kind):
    loaded = load_image(encoded(Image.fromarray(GRAY).convert("RGB"), kind))
    assert loaded.kind == kind
    assert np.abs(np.asarray(loaded.image).astype(int) - GRAY[..., None]).mean() < 4


def test_one_bit_and_gray_images_become_rgb():
    bits = RANDOM.random((40, 50)) > 0.5
    assert np.array_equal(
        pixels(encoded(Image.fromarray(bits))), np.repeat(bits[..., None] * np.uint8(255), 3, axis=2)
    )
    assert np.array_equal(pixels(encoded(Image.fromarray(GRAY))), np.repeat(GRAY[..., None], 3, axis=2))


def test_a_palette_is_looked_up():
    image = Image.fromarray(RGB).quantize(16)
    assert np.array_equal(pixels(encoded(image)), np.asarray(image.convert("RGB")))


def test_transparent_parts_are_laid_on_black_and_said():
    alpha = np.full((40, 50), 255, np.uint8)
    alpha[:20] = 0
    alpha[20:30] = 128
    loaded = load_image(encoded(Image.fromarray(np.dstack([RGB, alpha]))))
    shown = np.asarray(loaded.image)
    assert not shown[:20].any()
    assert np.abs(shown[20:30] - RGB[20:30] * (128 / 255)).max() <= 1
    assert np.array_equal(shown[30:], RGB[30:])
    assert loaded.notes == ("Transparent parts were laid on black.",)


def test_a_transparent_palette_colour_and_gray_with_alpha_are_laid_on_black():
    palette = Image.fromarray(RGB).quantize(4)
    palette.info["transparency"] = 0
    shown = pixels(encoded(palette))
    where = np.asarray(palette) == 0
    assert where.any() and not shown[where].any()
    assert pixels(encoded(Image.merge("LA", [Image.fromarray(GRAY), Image.new("L", (50, 40), 0)]))).max() == 0


def test_cmyk_becomes_rgb_and_is_said():
    loaded = load_image(encoded(Image.new("CMYK", (50, 40), (0, 255, 255, 0)), "JPEG", quality=95))
    red = np.asarray(loaded.image).reshape(-1, 3).mean(axis=0)
    assert red[0] > 200 and red[1] < 60 and red[2] < 60
    assert "CMYK" in loaded.notes[0]


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "MPO"])
def test_of_several_frames_the_first_is_read_or_the_one_that_is_asked_for(kind):
    loaded, third = load_image(pages(kind)), load_image(pages(kind), frame=3)
    assert loaded.image.getpixel((25, 20))[0] > 250 and third.image.getpixel((25, 20))[2] > 250
    assert (loaded.options.frames, loaded.view.frame, third.view.frame) == (3, 1, 3)
    assert (loaded.notes[0], third.notes[0]) == ("Frame 1 of 3 is shown.", "Frame 3 of 3 is shown.")
    assert "has 3 of them" in refusal(pages(kind), frame=4)


def test_a_16_bit_png_is_windowed():
    assert np.array_equal(
        pixels(encoded(Image.fromarray(GRAY * np.uint16(300)))), pixels(GRAY * np.uint16(300))
    )


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds no pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
        + b"\0\0\0\0IDAT"
    )


@pytest.mark.parametrize(
    ("size", "says"),
    [((30_000, 100), "30000 x 100"), ((12_000, 9_000), "12000 x 9000"), ((30_000, 30_000), "100 megapixels")],
)
def test_an_image_too_large_is_refused_before_it_is_decoded(size, says):
    assert says in refusal(png_header(*size))


def test_a_large_image_within_the_limits_is_read_without_a_warning():
    data = encoded(Image.new("1", (9_600, 9_600)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_image(data).image.size == (9_600, 9_600)


@pytest.mark.parametrize(
    "data",
    [
        b"hello",
        b"%PDF-1.7 " * 50,
        b"\0" * 4000,
        b"\x89PNG",
        b"<svg></svg>" * 20,
        gzip.compress(b"words" * 200, mtime=0),
    ],
)
def test_what_is_no_image_is_said_to_be_none(data):
    assert "expected PNG" in refusal(data)


def test_postscript_is_never_run():
    assert "expected PNG" in refusal(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n" + b"showpage\n" * 50
    )


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "PPM"])
def test_a_truncated_file_is_said_to_be_cut_short(kind):
    data = encoded(Image.fromarray(RANDOM.integers(0, 256, (200, 300, 3), dtype=np.uint8)), kind)
    assert "cut short" in refusal(data[: len(data) * 2 // 3]) or kind == "TIFF"


@pytest.mark.parametrize("text", [b"tEXt", b"zTXt", b"iTXt", b"iCCP"])
def test_texts_and_profiles_of_a_png_cost_nothing_however_long_or_damaged(text):
    whole = encoded(Image.fromarray(RGB))
    contents = b"Comment\0\0" + b"x" * (2 << 20)
    chunk = (
        struct.pack(">I", len(contents)) + text + contents + struct.pack(">I", zlib.crc32(text + contents))
    )
    header = 8 + 12 + 13  # signature, and the first chunk
    assert np.array_equal(pixels(whole[:header] + chunk + whole[header:]), RGB)


def test_16_bit_colours_of_a_png_keep_their_upper_bits():
    deep = (RGB.astype(np.uint16) << 8).astype(">u2").tobytes()
    rows = b"".join(b"\0" + deep[300 * y : 300 * (y + 1)] for y in range(40))
    header = struct.pack(">IIBBBBB", 50, 40, 16, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    data = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    assert np.array_equal(pixels(b"\x89PNG\r\n\x1a\n" + data), RGB)

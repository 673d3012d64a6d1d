"""TIFF in every sample format.

python -m pytest tests/imaging/test_tiff.py
"""

import io
import struct

import numpy as np
import pytest
import tifffile

from medreasoner.imaging import load_image
from tests.medical import GRAY, RGB, pixels, refusal


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_16_bit_tiff_reads_the_same_in_either_byte_order(order):
    values = (GRAY * np.uint16(300)).astype(f"{order}u2")
    tags = [
        (256, 50),
        (257, 40),
        (258, 16),
        (259, 1),
        (262, 1),
        (273, 8),
        (277, 1),
        (278, 40),
        (279, values.nbytes),
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    entries = b"".join(struct.pack(f"{order}HHII", tag, 4, 1, value) for tag, value in tags)
    data = (
        mark
        + struct.pack(f"{order}I", 8 + values.nbytes)
        + values.tobytes()
        + struct.pack(f"{order}H", len(tags))
        + entries
        + b"\0" * 4
    )
    assert np.array_equal(pixels(data), pixels(GRAY * np.uint16(300)))


def tiff(values: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, **{"metadata": None, **options})
    return file.getvalue()


KINDS = ["i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8"]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_sample_format_keeps_the_order_of_its_values(kind, order):
    values = GRAY.astype(np.int64) - (90 if kind[0] != "u" else 0)
    values *= {"u4": 2**24, "i4": 2**23, "u8": 2**54, "i8": 2**54}.get(kind, 1)
    values = values.astype(order + kind)
    plain = tiff(values, photometric="minisblack", byteorder=order)
    shown = pixels(plain)[..., 0]
    assert np.array_equal(shown, pixels(values.astype(kind))[..., 0])
    assert np.corrcoef(shown.ravel(), GRAY.ravel())[0, 1] > 0.99
    negative = load_image(tiff(values, photometric="miniswhite", byteorder=order))
    assert (
        np.array_equal(255 - np.asarray(negative.image)[..., 0], shown)
        and "WhiteIsZero" in negative.notes[-1]
    )


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "lzma", "jpeg2000", "zstd"])
def test_every_compression_gives_the_same_image(compression):
    values = (GRAY * np.uint16(300)).astype(np.uint16)
    assert np.array_equal(pixels(tiff(values, compression=compression)), pixels(values))
    assert np.array_equal(pixels(tiff(GRAY, compression=compression))[..., 0], GRAY)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("kind", [np.uint16, np.uint32, np.float32])
def test_deep_colours_keep_their_upper_bits_in_any_order_of_planes(kind, planar):
    colours = (
        RGB / np.float32(255) if kind == np.float32 else RGB.astype(kind) << (8 * np.dtype(kind).itemsize - 8)
    )
    planes = np.moveaxis(colours, 2, 0) if planar == "separate" else colours
    loaded = load_image(tiff(planes.astype(kind), photometric="rgb", planarconfig=planar))
    assert np.array_equal(np.asarray(loaded.image), RGB)


def test_hounsfield_units_open_in_a_window_for_ct():
    values = np.full((60, 60), -1000, np.int16)
    values[10:50, 10:50], values[20:30, 20:30] = 40, 65
    loaded = load_image(tiff(values))
    assert loaded.view.window == "CT soft tissue" and "Hounsfield" in loaded.notes[0]


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_deep_page_is_turned_upright(orientation):
    turned = {3: np.rot90(GRAY, 2), 6: np.rot90(GRAY, -1)}[orientation]
    data = tiff(GRAY * np.uint16(300), extratags=[(274, "H", 1, orientation, True)])
    assert np.array_equal(pixels(data), pixels(turned * np.uint16(300)))


def test_the_size_of_a_page_that_is_not_shown_does_not_matter(tmp_path):
    path = tmp_path / "pyramid.tif"
    with tifffile.TiffWriter(path) as file:
        for values in (np.zeros((64, 64), np.uint8), GRAY):
            file.write(values, metadata=None)
    with tifffile.TiffFile(path, mode="r+b") as file:
        for name in ("ImageWidth", "ImageLength"):
            file.pages[0].tags[name].overwrite(25_000)
    assert np.array_equal(pixels(path, frame=2)[..., 0], GRAY)
    assert "25000 x 25000" in refusal(path)


def test_a_page_of_many_channels_is_refused_with_its_shape():
    assert "(40, 50, 5)" in refusal(
        tiff(np.stack([GRAY] * 5, axis=2), photometric="minisblack", planarconfig="contig")
    )

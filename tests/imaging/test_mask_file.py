"""Mask files come back as they are stored; damaged ones end in MaskError, whatever Pillow raised.

python -m pytest tests/imaging/test_mask_file.py
"""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging.mask_file import MaskError, mask_image_size, read_mask_image
from medreasoner.imaging.png import SIGNATURE, lacks_rows

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")
LABELS = np.zeros((64, 80), np.uint8)
LABELS[10:30, 12:50] = 3


def encoded(kind: str, mode: str = "L", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(LABELS).convert(mode).save(file, kind, **options)
    return file.getvalue()


FILES = {
    "png": encoded("PNG"),
    "png of 1 bit": encoded("PNG", "1"),
    "tiff": encoded("TIFF", compression="tiff_lzw"),
    "bmp": encoded("BMP"),
    "gif": encoded("GIF"),
    "webp": encoded("WEBP", "RGB", lossless=True),
    "jpeg 2000": encoded("JPEG2000"),
    "ppm": encoded("PPM"),
}


@pytest.mark.parametrize("name", ["png", "tiff", "bmp", "jpeg 2000", "ppm"])
def test_values_are_kept(tmp_path, name):
    (tmp_path / "mask").write_bytes(FILES[name])
    for source in (FILES[name], tmp_path / "mask"):
        assert np.array_equal(np.asarray(read_mask_image(source)), LABELS)
        assert mask_image_size(source) == (80, 64)


def test_sixteen_bits_are_kept():
    deep, file = LABELS.astype(np.uint16) * 1000, io.BytesIO()
    Image.fromarray(deep).save(file, "PNG")
    assert np.array_equal(np.asarray(read_mask_image(file.getvalue())), deep)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Bytes changed, taken out, put in or cut off, mostly near the beginning, where the headers are."""
    changed = bytearray(data)
    place = int(rng.integers(min(len(data), rng.choice([32, 200, 10**6]))))
    match rng.integers(4):
        case 0:
            changed[place] = int(rng.integers(256))
        case 1:
            del changed[place : place + int(rng.integers(1, 20))]
        case 2:
            changed[place:place] = rng.bytes(4)
        case 3:
            changed = changed[:place]
    return bytes(changed)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_end_in_one_error(name):
    rng, refused = np.random.default_rng(0), 0
    for _ in range(250):
        data = mutated(FILES[name], rng)
        for read in (read_mask_image, mask_image_size):
            try:
                read(data)
            except MaskError as error:
                refused += 1
                assert str(error)
    assert refused > 50


def test_a_mask_too_large_to_decode_and_a_missing_one_are_refused(tmp_path):
    huge = encoded("BMP")
    huge = huge[:18] + (20_000).to_bytes(4, "little") * 2 + huge[26:]  # its header says so
    with pytest.raises(MaskError, match="megapixels|pixels"):
        read_mask_image(huge)
    with pytest.raises(MaskError, match="No such file"):
        read_mask_image(tmp_path / "gone.png")


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def white(rows: int) -> bytes:
    """A PNG of 64 x 64 of which so many rows are there."""
    header = struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)
    packed = zlib.compress((b"\0" + b"\xff" * 64) * rows)
    contents = (
        chunk(b"IHDR", header),
        chunk(b"IDAT", packed[:9]),
        chunk(b"IDAT", packed[9:]),
        chunk(b"IEND", b""),
    )
    return SIGNATURE + b"".join(contents)


def test_a_mask_whose_last_rows_are_missing_is_refused_instead_of_ending_in_black():
    assert np.asarray(read_mask_image(white(64))).all()
    for rows in (1, 20, 63):
        with pytest.raises(MaskError, match="ends before its last row|truncated"):
            read_mask_image(white(rows))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "I;16"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (64, 80)])
def test_whole_files_lack_no_rows(mode, size):
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG")
    assert not lacks_rows(file.getvalue())


def test_interlaced_files_are_counted_by_their_passes():
    header = struct.pack(">IIBBBBB", 5, 3, 8, 0, 0, 0, 1)
    passes = ((1, 1), (1, 1), (1, 1), (3, 1), (2, 2), (5, 1))  # (columns, rows) of those that are not empty
    rows = b"".join((b"\0" + b"\xff" * columns) * count for columns, count in passes)

    def file(data: bytes) -> bytes:
        return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")

    assert np.asarray(read_mask_image(file(rows))).tolist() == [[255] * 5] * 3
    assert not lacks_rows(file(rows)) and lacks_rows(file(rows[:-1]))

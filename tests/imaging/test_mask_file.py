"""Mask files come back as they are stored; damaged ones end in MaskError, whatever Pillow raised.

python -m pytest tests/imaging/test_mask_file.py
"""

import io

import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging.mask_file import MaskError, mask_image_size, read_mask_image

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

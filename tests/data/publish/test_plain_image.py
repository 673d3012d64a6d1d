"""What is published of an image: its pixels, and nothing that could tell of a patient."""

import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from medreasoner.data.publish.plain_image import plain_image
from medreasoner.data.sample import Sample
from medreasoner.imaging import ImageError, load_image

PIXELS = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def encoded(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).convert(mode).save(file, kind, **options)
    return file.getvalue()


def with_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010E] = "Jane Doe"
    exif[0x0112] = 6  # turned
    return encoded("JPEG", exif=exif)


def with_text() -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_text("Name", "Jane Doe")
    return encoded("PNG", pnginfo=text)


def with_private_chunk() -> bytes:
    chunk = PngImagePlugin.PngInfo()
    chunk.add(b"paTt", b"Jane Doe")
    return encoded("PNG", pnginfo=chunk)


def with_segment(marker: int) -> bytes:
    data = encoded("JPEG")
    words = b"Jane Doe"
    return data[:2] + bytes((0xFF, marker)) + (len(words) + 2).to_bytes(2, "big") + words + data[2:]


def published(data: bytes) -> dict:
    return plain_image(Sample("s0", data, None, "?", "CT", "c", "one"))


@pytest.mark.parametrize(
    ("data", "suffix"),
    [
        (encoded("JPEG"), "jpg"),
        (encoded("JPEG", "L", progressive=True), "jpg"),
        (encoded("PNG"), "png"),
        (encoded("PNG", "L"), "png"),
    ],
)
def test_a_plain_file_goes_along_as_it_is(data, suffix):
    assert published(data) == {"bytes": data, "path": f"s0.{suffix}"}


@pytest.mark.parametrize(
    "data",
    [
        with_exif(),
        with_text(),
        with_private_chunk(),
        encoded("JPEG", comment=b"Jane Doe"),
        with_segment(0xED),
        encoded("JPEG") + b"Jane Doe",
        encoded("PNG") + b"Jane Doe",
        encoded("TIFF", tiffinfo={270: "Jane Doe"}),
    ],
    ids=["exif", "text", "private chunk", "comment", "segment", "after jpeg", "after png", "tiff"],
)
def test_what_carries_more_than_pixels_is_written_anew(data):
    assert b"Jane Doe" in data
    made = published(data)
    assert b"Jane" not in made["bytes"] and made["path"] == "s0.png"
    seen = [np.asarray(load_image(one).image) for one in (data, made["bytes"])]
    assert np.array_equal(*seen)


@pytest.mark.parametrize("cut", [30, 400])
def test_a_damaged_image_is_an_error_in_a_sentence(cut):
    with pytest.raises(ImageError):
        published(encoded("PNG")[:-cut])

"""The JPEG syntaxes that Pillow cannot read.

python -m pytest tests/imaging/test_dicom_codecs.py
"""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import HTJ2K, HTJ2KLossless, JPEG2000Lossless, JPEGLossless, JPEGLosslessSV1

from medreasoner.imaging import dicom_pixels, load_image
from tests.medical import (
    CT,
    DEEP,
    GRAY,
    compressed,
    dicom,
    jpeg_lossless,
    pixels,
    recoded,
    refusal,
    shipped,
)


def stored(data: bytes) -> np.ndarray:
    """The values of a file's first frame."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    dicom_pixels.check_syntax(dataset)
    return dicom_pixels.decode(dataset, 1, dicom_pixels.pixel_format(dataset))


@pytest.mark.parametrize(
    ("bits", "predictor", "syntax"),
    [(8, 1, JPEGLosslessSV1), (8, 4, JPEGLossless), (12, 7, JPEGLossless), (16, 1, JPEGLosslessSV1)],
)
def test_jpeg_lossless_gives_the_values_that_were_stored(bits, predictor, syntax):
    values = (GRAY.astype(np.uint16) * ((1 << bits) - 1) // 186).astype(np.uint8 if bits == 8 else np.uint16)
    data = jpeg_lossless(values[None], bits, predictor, syntax)
    assert np.array_equal(stored(data), values)
    assert np.array_equal(pixels(data), pixels(dicom(values, BitsStored=bits, HighBit=bits - 1)))


def test_jpeg_lossless_keeps_negative_values_colours_and_frames():
    hounsfield = DEEP.astype(np.int16) - 1024
    signed = jpeg_lossless(hounsfield[None], 12, **CT)
    assert np.array_equal(stored(signed), hounsfield)
    colours = np.stack([GRAY, 255 - GRAY, GRAY // 2], axis=-1)
    photograph = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    film = jpeg_lossless(np.stack([colours, colours // 2]), 8, **photograph)
    assert np.array_equal(pixels(film, frame=1), colours) and np.array_equal(
        pixels(film, frame=2), colours // 2
    )


def test_jpeg_extended_of_12_bits_is_read():
    loaded = load_image(shipped("JPEG-lossy.dcm"))
    assert (
        loaded.image.size == (256, 1024)
        and "16-bit values" in loaded.notes[0]
        and np.asarray(loaded.image).std() > 10
    )


def test_a_jpeg_that_is_cut_short_or_is_not_what_its_header_says_is_refused_before_it_is_decoded():
    whole = jpeg_lossless(GRAY[None], 8)
    assert "has no end" in refusal(whole.replace(b"\xff\xd9", b"\0\0"))
    assert "holds (40, 50, 1)" in refusal(recoded(whole, Rows=41))
    frame = whole.index(b"\xff\xc3")
    huge = whole[: frame + 5] + b"\xff\xff\xff\xff" + whole[frame + 9 :]
    assert "holds (65535, 65535, 1)" in refusal(huge)
    assert "kind 0xC0, expected 0xC3" in refusal(recoded(shipped("SC_rgb_jpeg_dcmtk.dcm"), JPEGLossless))
    assert "holds no JPEG" in refusal(whole.replace(b"\xff\xc3", b"\xff\xc4"))


def test_jpeg_2000_that_pillow_cannot_decode_is_read():
    loaded = load_image(shipped("GDCMJ2K_TextGBR.dcm"))
    assert loaded.image.size == (400, 400) and np.asarray(loaded.image).std() > 10


@pytest.mark.parametrize("syntax", [HTJ2KLossless, HTJ2K, JPEG2000Lossless])
@pytest.mark.parametrize("values", [GRAY, GRAY * np.uint16(300), DEEP - 1024], ids=lambda v: str(v.dtype))
def test_jpeg_2000_of_every_kind_gives_the_values_that_were_stored(syntax, values):
    encode = imagecodecs.jpeg2k_encode if syntax == JPEG2000Lossless else imagecodecs.htj2k_encode
    options = {"level": 0, "codecformat": "j2k"} if syntax == JPEG2000Lossless else {}
    data = compressed([encode(values, reversible=True, **options)], syntax, dicom(values))
    assert np.array_equal(stored(data), values)


def test_a_jpeg_2000_of_another_size_is_refused_before_it_is_decoded():
    stream = imagecodecs.htj2k_encode(GRAY, reversible=True)
    start = stream.index(b"\xff\x4f\xff\x51") + 8
    huge = stream[:start] + b"\0\1\0\0\0\1\0\0" + stream[start + 8 :]
    assert "holds (65536, 65536, 1)" in refusal(compressed([huge], HTJ2KLossless, dicom(GRAY)))
    assert "holds no JPEG 2000" in refusal(compressed([b"\0" * 200], HTJ2KLossless, dicom(GRAY)))

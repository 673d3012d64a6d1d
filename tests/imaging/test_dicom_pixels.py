"""Stored values in every transfer syntax, without the bits and frames that are not theirs.

python -m pytest tests/imaging/test_dicom_pixels.py
"""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.uid import MPEG4HP41, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from medreasoner.imaging import load_image
from tests.medical import GRAY, compressed, dicom, patched, pixels, recoded, refusal, shipped, written


@pytest.mark.parametrize("syntax", [MPEG4HP41])
def test_a_syntax_that_cannot_be_decoded_is_named(syntax):
    said = refusal(recoded(dicom(GRAY), syntax))
    assert syntax.name in said and str(syntax) in said and "No decoder is installed" in said


def test_a_codec_that_gives_up_names_the_syntax_too():
    said = refusal(recoded(shipped("MR_small_jpeg_ls_lossless.dcm"), JPEGBaseline8Bit))
    assert "JPEG Baseline (Process 1), transfer syntax 1.2.840.10008.1.2.4.50" in said


def test_what_holds_no_pixels_or_too_many_says_so():
    assert "holds no image, only data of modality SR" in refusal(shipped("reportsi.dcm"))
    assert "30000 x 30000" in refusal(dicom(GRAY, Rows=30_000, Columns=30_000))
    assert "less than expected" in refusal(shipped("MR_truncated.dcm"))


@pytest.mark.parametrize("syntax", ["RLE", "jp2klossless", "jpeg_ls_lossless", "implicit", "bigendian"])
def test_the_same_image_looks_the_same_in_every_transfer_syntax(syntax):
    assert np.array_equal(pixels(shipped(f"MR_small_{syntax}.dcm")), pixels(shipped("MR_small.dcm")))


TWELVE = (GRAY.astype(np.uint16) * 16, {"WindowCenter": 1500, "WindowWidth": 3000})


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, RLELossless, None], ids=["JPEG 2000", "RLE", "none"])
def test_overlay_bits_above_the_values_are_not_values(syntax):
    values, window = TWELVE
    plain = dicom(values, BitsStored=12, HighBit=11, **window)
    overlaid = values.copy()
    overlaid[::10, ::5] |= 1 << 12
    data = dicom(overlaid, BitsStored=12, HighBit=11, **window)
    if syntax == JPEG2000Lossless:
        stream = imagecodecs.jpeg2k_encode(overlaid, level=0, reversible=True, codecformat="j2k")
        data = compressed([stream], syntax, data)
    elif syntax == RLELossless:
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.compress(RLELossless)
        data = written(dataset, RLELossless)
    assert np.array_equal(pixels(data), pixels(plain))


def test_values_in_the_upper_bits_are_shifted_and_a_wrong_high_bit_is_not_believed():
    values, window = TWELVE
    plain = pixels(dicom(values, BitsStored=12, HighBit=11, **window))
    upper = (values << 4) | np.random.default_rng(0).integers(0, 16, values.shape, dtype=np.uint16)
    assert np.array_equal(pixels(dicom(upper, BitsStored=12, HighBit=15, **window)), plain)
    assert np.array_equal(pixels(dicom(values, BitsStored=12, HighBit=15, **window)), plain)


def test_negative_values_of_fewer_bits_stay_negative():
    values = GRAY.astype(np.int16) - 100
    window = {"WindowCenter": 0, "WindowWidth": 400}
    raw = (values & 0xFFF).astype(np.int16)
    assert np.array_equal(
        pixels(dicom(raw, BitsStored=12, HighBit=11, **window)), pixels(dicom(values, **window))
    )


@pytest.mark.parametrize("number", ["1,0 ", "abc ", "-1  ", "0   ", "    ", "9999"])
def test_a_wrong_number_of_frames_costs_only_itself(number):
    film = np.stack([GRAY, GRAY // 2, GRAY // 3])
    data = dicom(film, NumberOfFrames="1234")
    loaded = load_image(patched(data, b"IS\x04\x001234", b"IS\x04\0" + number.encode()))
    frames = 1 if number == "    " else 3
    assert loaded.options.frames == frames
    assert np.array_equal(np.asarray(loaded.image)[..., 0], film[frames // 2])
    assert any("number of frames" in note for note in loaded.notes) == (frames == 3)


def test_a_description_of_pixels_that_is_no_number_is_refused():
    assert "BitsStored" in refusal(recoded(dicom(GRAY), BitsStored=[8, 8]))


def test_a_modality_that_is_no_code_is_not_repeated():
    empty = pydicom.dcmread(io.BytesIO(dicom(GRAY, Modality="doe jane")))
    del empty.PixelData
    assert "data of modality unnamed" in refusal(written(empty, pydicom.uid.ExplicitVRLittleEndian))


def test_no_header_claims_more_frames_than_there_are_pieces_of_compressed_pixels():
    dataset = pydicom.dcmread(io.BytesIO(shipped("SC_rgb_rle_2frame.dcm")))
    held = int(dataset.NumberOfFrames)
    dataset.NumberOfFrames = 2_147_483_647
    file = io.BytesIO()
    dataset.save_as(file)
    loaded = load_image(file.getvalue())
    assert loaded.options.frames == held > 1
    assert any("2147483647" in note for note in loaded.notes)

"""Colours of DICOM files as RGB, never stretched.

python -m pytest tests/imaging/test_dicom_color.py
"""

import numpy as np
import pytest

from medreasoner.imaging import load_image
from tests.medical import GRAY, RGB, dicom, pixels, refusal, shipped


@pytest.mark.parametrize(
    "name",
    ["SC_rgb_rle.dcm", "SC_ybr_full_422_uncompressed.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_rle_16bit.dcm"],
)
def test_colours_come_as_rgb(name):
    stripes = pixels(shipped(name)).astype(int)
    red = stripes[5, 50]
    assert red[0] > 240 and red[1] < 20 and red[2] < 20
    assert len(np.unique(stripes.reshape(-1, 3), axis=0)) > 5
    assert "in colour" in refusal(shipped(name), window="40/400")


def palette(entries: np.ndarray) -> dict[str, object]:
    """The attributes of a palette whose three colours are alike."""
    found: dict[str, object] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name in ("Red", "Green", "Blue"):
        found[f"{name}PaletteColorLookupTableDescriptor"] = [len(entries), 0, 16]
        found[f"{name}PaletteColorLookupTableData"] = entries.astype("<u2").tobytes()
    return found


@pytest.mark.parametrize("entries", [256 * np.arange(256), 257 * np.arange(256), np.arange(256)])
def test_a_palette_of_16_bits_is_as_bright_as_its_upper_byte(entries):
    assert np.array_equal(pixels(dicom(GRAY, **palette(entries)))[..., 0], GRAY)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_colours_of_more_than_8_bits_keep_their_upper_ones(bits):
    deep = RGB.astype(np.uint16) << (bits - 8)
    attributes = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    size = {"Rows": 40, "Columns": 50, "BitsStored": bits, "HighBit": bits - 1}
    loaded = load_image(dicom(deep, **attributes, **size))
    assert np.array_equal(np.asarray(loaded.image), RGB) and f"Of the {bits} bits" in loaded.notes[0]


def test_a_palette_that_is_missing_or_cut_short_is_refused():
    assert "palette" in refusal(dicom(GRAY, PhotometricInterpretation="PALETTE COLOR"))
    short = palette(np.arange(256)) | {"BluePaletteColorLookupTableData": b"\0" * 10}
    assert "palette" in refusal(dicom(GRAY, **short))


def test_a_supplemental_palette_is_not_shown_and_that_is_said():
    loaded = load_image(dicom(GRAY, PixelPresentation="COLOR"))
    assert (
        np.array_equal(np.asarray(loaded.image)[..., 0], GRAY) and "supplemental palette" in loaded.notes[-1]
    )

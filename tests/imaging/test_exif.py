"""Pictures are shown upright, as their EXIF orientation says.

python -m pytest tests/imaging/test_exif.py
"""

import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging import load_image
from tests.medical import RGB, encoded


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    loaded = load_image(encoded(Image.fromarray(RGB), kind, exif=exif))
    upright = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.swapaxes(0, 1),
        6: np.rot90(RGB, -1),
        7: RGB[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(RGB),
    }[orientation]
    assert loaded.image.size == (upright.shape[1], upright.shape[0])
    assert np.abs(np.asarray(loaded.image).astype(int) - upright).mean() < 12
    assert bool(loaded.notes) == (orientation > 1)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_damaged_exif_costs_only_itself_and_is_said(kind):
    loaded = load_image(encoded(Image.fromarray(RGB), kind, exif=b"Exif\0\0nonsense" + b"\xff" * 40))
    assert loaded.image.size == (50, 40) and "EXIF data is damaged" in loaded.notes[0]

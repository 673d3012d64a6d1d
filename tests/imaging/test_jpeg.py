"""A JPEG file whose data is not there is refused.

python -m pytest tests/imaging/test_jpeg.py
"""

import struct

import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging.jpeg import lacks_data
from tests.medical import RGB, encoded, refusal


def claiming(side: int) -> bytes:
    """A small JPEG whose header claims `side` x `side` pixels."""
    data = encoded(Image.fromarray(RGB), "JPEG")
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", side, side) + data[at + 4 :]


def test_a_small_file_that_claims_a_large_picture_is_refused():
    small = claiming(9_990)
    assert len(small) < 3_000 and lacks_data(small)
    assert "data ends before its last row" in refusal(small)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}, {"subsampling": 0, "quality": 1}])
@pytest.mark.parametrize("pixels", [RGB, np.zeros((2000, 1999, 3), np.uint8)], ids=["drawn", "black"])
def test_whole_files_lack_nothing_however_well_they_are_packed(options, pixels):
    assert not lacks_data(encoded(Image.fromarray(pixels), "JPEG", **options))


@pytest.mark.parametrize("data", [b"\xff\xd8", b"\xff\xd8\xff\xc0", b"\xff\xd8\xff\xff\xff", b"\xff\xd8\xff\xe0\0"])
def test_what_is_no_whole_header_lacks_nothing(data):
    assert not lacks_data(data)

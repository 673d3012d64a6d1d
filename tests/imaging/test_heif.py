"""HEIC files are opened, and damaged ones end in one sentence.

python -m pytest tests/imaging/test_heif.py
"""

import base64

import numpy as np
import pytest

from medreasoner.imaging import ImageError, load_image
from medreasoner.imaging.heif import is_heic
from tests.medical import RGB, refusal

# RGB of tests/medical.py at quality 90, written by pillow-heif 1.8.1, which can encode and is not needed here
HEIC = base64.b64decode(
    "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAX1tZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAA"
    "AAAAACJpbG9jAAAAAERAAAEAAQAAAAABoQABAAAAAAAAAckAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABodmMxAAAA"
    "AA5waXRtAAAAAAABAAAA/WlwcnAAAADdaXBjbwAAAHZodmNDAQNwAAAAkAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNw"
    "AAADAJAAAAMAAAMAHroCQGEAAQAqQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbq5Ka5uAhoMCAAAAMDIAAAAwAhYgABAAZEAcFz"
    "wIkAAAATY29scm5jbHgAAQANAAaAAAAAFGlzcGUAAAAAAAAAQAAAAEAAAAAoY2xhcAAAADIAAAABAAAAKAAAAAH////yAAAA"
    "Av///+gAAAACAAAAEHBpeGkAAAAAAwgICAAAABhpcG1hAAAAAAAAAAEAAQWBAgMFhAAAAdFtZGF0AAABxSgBrwY4iVPZ+icO"
    "k6yHTXTxDykRrVhbaLuqTJzX3nxq/BK9hiImMOGYyItXOb4OX5MkY5GE65zBpX+Y0MJSIXfHROcOZNe9xPcSPOAsdUa/ePvA"
    "npTFWMEeZk3sh+YtGxW8u437q4JJ755/Us26yOF0fJgUZuPLqIAJ9SVYMEY+Vcq+vA3rft8ohZzP9z4o4vQQQKvZx+2bFPDy"
    "+2n3rkVZnjpT0XpWr0vpkohOOvlhD12Yf2U0YFtwyLLv9XcgHsF4EVR7midi7gOrB1tJrtZatHn64BcIj6cFhWipTijGwYEc"
    "B3mKaPtKQyw0N+qeoCul8ZAap9EH0c9X3IsyOohE8SOPTfrwCc2lnxfg/xD/IX5Z/xgz4he7YUPkOAFpbbps6RWBqr+eS0V5"
    "Fz19ublTmrY+WfsoC+ADWkztpKr+7ZGGaDIidWqHuomZYVRjOHXx9fjL4DABN06KJ9wQ1hnJqp8KTB7/jO0f/4RqJnf/ej+p"
    "TquB1I6zzMKPUrnfhZ+680ppM3IsXwEdVOG/Spx3+tKzOeSpxYknbX/0p+6F9qb/26UW05nUSZal4XH3QgCF2Xb6pxJvEAdA"
    "3phB6+klmnVx+A=="
)


def test_the_picture_of_a_telephone_is_shown():
    loaded = load_image(HEIC)
    assert loaded.image.size == (50, 40) and loaded.kind == "HEIF"
    assert np.abs(np.asarray(loaded.image).astype(int) - RGB).max() <= 6


def test_only_pictures_of_hevc_are_taken_for_heic():
    assert is_heic(HEIC) and is_heic(HEIC[:8] + b"mif1" + HEIC[12:])
    assert not is_heic(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif") and not is_heic(b"\0\0\0\x18ftypavif")


@pytest.mark.parametrize("length", [20, 200, 500, 800])
def test_a_file_that_is_cut_short_is_said_to_be(length):
    assert "damaged" in refusal(HEIC[:length])


def test_damage_ends_in_an_image_or_in_one_sentence():
    random = np.random.default_rng(0)
    for _ in range(200):
        data = bytearray(HEIC)
        for place in random.integers(12, len(data), 4):
            data[place] = random.integers(256)
        try:
            assert load_image(bytes(data)).image.mode == "RGB"
        except ImageError as error:
            assert len(str(error)) < 300

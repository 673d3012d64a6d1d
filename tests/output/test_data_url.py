"""Images inside URLs, as a browser unpacks them.

python -m pytest tests/output/test_data_url.py
"""

import io
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

from medreasoner.output.data_url import data_url, image_data_url


def opened(url: str) -> tuple[str, bytes]:
    with urlopen(url) as response:
        return response.headers.get_content_type(), response.read()


def test_bytes_come_back_with_their_type():
    assert opened(data_url(b"\0\xff words", "application/dicom")) == ("application/dicom", b"\0\xff words")


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_an_image_is_reduced_to_the_longest_side_and_the_original_stays(kind, media_type):
    image = Image.new("RGB", (400, 100), (10, 200, 90))
    found, data = opened(image_data_url(image, kind, longest=200))
    assert (found, Image.open(io.BytesIO(data)).size, image.size) == (media_type, (200, 50), (400, 100))


def test_a_png_is_lossless_and_not_enlarged():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    _, data = opened(image_data_url(Image.fromarray(pixels), longest=200))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)

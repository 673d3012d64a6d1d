"""One sample: its mask as stored, and its truth.

python -m pytest tests/data/test_sample.py
"""

import io

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.sample import Sample, SampleError
from tests.sets import HEIGHT, WIDTH, png, rectangle


def test_masks_of_0_and_1_and_of_0_and_255_and_palettes_are_the_same(tmp_path):
    palette = Image.fromarray(rectangle(value=1))
    palette.putpalette([0, 0, 0, 255, 0, 0])
    file = io.BytesIO()
    palette.save(file, "PNG")
    colour = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colour[..., 1] = rectangle()
    for mask in (
        png(rectangle(value=1)),
        png(rectangle()),
        png(rectangle() > 0),
        file.getvalue(),
        png(colour),
    ):
        sample = Sample("a", b"", mask, "?", "CT", "c", "one")
        assert (sample.load_mask() == (rectangle() > 0)).all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (png(rectangle(value=3)), "it holds"),
        (b"no picture", "no readable picture"),
        (png(rectangle())[:60], "no readable picture"),
        (None, "has no mask"),
    ],
)
def test_a_mask_that_is_none_is_an_error_that_names_the_sample(mask, message):
    with pytest.raises(SampleError, match=f"'a'.*{message}"):
        Sample("a", b"", mask, "?", "CT", "c", "one").load_mask()


def test_an_empty_mask_has_no_truth():
    with pytest.raises(SampleError, match="empty"):
        Sample("a", b"", png(rectangle(value=0)), "?", "CT", "c", "one").truth()

"""Samples with their files read.

python -m pytest tests/evaluation/test_opened_sample.py
"""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.sample import SampleError
from medreasoner.evaluation.opened_sample import SampleOpener
from tests.evaluation.fakes import write


def test_neighbours_share_their_image_and_masks_are_read_where_they_are_wanted(tmp_path):
    red, green = write(tmp_path, 0)
    opener, without = SampleOpener(masks=True), SampleOpener(masks=False)
    first, second = opener.open(red), opener.open(green)
    assert first.image is second.image and first.truth == red.truth()
    assert first.mask.sum() == np.asarray(Image.open(red.mask)).astype(bool).sum()
    assert without.open(red).mask is None and without.open(red).truth == red.truth()


def test_an_empty_mask_means_that_the_target_is_absent(tmp_path):
    Image.new("L", (80, 60)).save(tmp_path / "empty.png")
    absent = replace(write(tmp_path, 0)[0], mask=tmp_path / "empty.png")
    for masks in (True, False):
        opened = SampleOpener(masks).open(absent)
        assert opened.truth is None and opened.size is None


def test_a_mask_of_another_size_is_refused(tmp_path):
    Image.new("L", (5, 4)).save(tmp_path / "small.png")
    with pytest.raises(SampleError, match="the mask is 5 x 4 pixels, the image 80 x 60"):
        SampleOpener(masks=True).open(replace(write(tmp_path, 0)[0], mask=tmp_path / "small.png"))


@pytest.mark.parametrize(("side", "words"), [(6, "under 1 %"), (12, "1 to 5 %"), (40, "over 5 %")])
def test_the_size_is_the_targets_share_of_the_image(tmp_path, side, words):
    sample = replace(write(tmp_path, 0)[0], mask=None, box=(0, 0, side, side), points=((1, 1), (2, 2)))
    assert SampleOpener(masks=True).open(sample).size == words

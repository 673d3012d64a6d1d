"""The size in which a model is given an image: its own where it says so, and never too many pixels."""

import pytest
from PIL import Image

from medreasoner.manifest import Manifest
from medreasoner.reasoners.families import ANY_OTHER, FAMILIES
from medreasoner.reasoners.image_size import InputSize


@pytest.mark.parametrize(
    ("size", "image_wh", "multiple_of", "expected"),
    [
        (InputSize(square=840), (300, 200), 1, (840, 840)),
        (InputSize(square=840), (300, 200), 28, (840, 840)),
        (InputSize(), (300, 200), 1, (300, 200)),
        (InputSize(), (300, 200), 28, (308, 196)),
        (InputSize(max_pixels=1 << 20), (2000, 1000), 1, (1448, 724)),
        (InputSize(max_pixels=400), (2000, 1), 1, (894, 1)),
        (InputSize(max_pixels=400), (10, 10), 28, (28, 28)),
    ],
)
def test_sizes(size, image_wh, multiple_of, expected):
    assert size.wh(image_wh, multiple_of) == expected
    assert size.resized(Image.new("RGB", image_wh), multiple_of).size == expected


def test_an_image_that_keeps_its_size_is_not_touched():
    image = Image.new("RGB", (300, 200))
    assert InputSize().resized(image) is image


def test_the_checkpoint_goes_before_its_family():
    family = FAMILIES["qwen2_5_vl"]
    assert InputSize.of(Manifest(), family) == InputSize(840, family.max_pixels)
    assert InputSize.of(Manifest(square=448, max_pixels=1024), family) == InputSize(448, 1024)
    assert InputSize.of(Manifest(), ANY_OTHER).square is None

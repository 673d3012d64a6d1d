"""Class masks are read as they are stored; what cannot be one is refused in a sentence."""

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.build.pictures import read_class_mask
from medreasoner.data.build.source_files import SourceError


def test_a_mask_may_be_grey_palette_or_a_grey_colour_picture(tmp_path):
    values = np.array([[0, 1], [2, 0]], np.uint8)
    Image.fromarray(values).save(tmp_path / "grey.png")
    palette = Image.fromarray(values, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.save(tmp_path / "palette.png")
    Image.fromarray(np.repeat(values[..., None], 3, axis=2)).save(tmp_path / "colour.png")
    for name in ("grey", "palette", "colour"):
        assert np.array_equal(read_class_mask(tmp_path / f"{name}.png", [1, 2]), values), name
    Image.new("RGB", (2, 2), (1, 2, 3)).save(tmp_path / "red.png")
    with pytest.raises(SourceError, match="has colours"):
        read_class_mask(tmp_path / "red.png", [1])


@pytest.mark.parametrize("cut", [10, 40, 60])
def test_a_damaged_mask_is_refused_in_a_sentence(tmp_path, cut):
    noise = np.random.default_rng(0).integers(0, 9, (20, 20), np.uint8)
    Image.fromarray(noise).save(tmp_path / "mask.png")
    (tmp_path / "mask.png").write_bytes((tmp_path / "mask.png").read_bytes()[:cut] + b"IHDRxxxx")
    with pytest.raises(SourceError, match="the mask is no readable picture"):
        read_class_mask(tmp_path / "mask.png", [1])


def test_in_a_mask_of_black_and_white_white_is_the_one_class(tmp_path):
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "mask.png")
    assert read_class_mask(tmp_path / "mask.png", [7]).tolist() == [[0, 7]]
    assert read_class_mask(tmp_path / "mask.png", [1, 255]).tolist() == [[0, 255]]

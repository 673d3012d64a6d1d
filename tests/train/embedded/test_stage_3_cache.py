"""Maps are found by an image's path, which stands for what the image holds."""

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.segmenters.sam2_model import image_processor
from train.embedded.feature_cache import SHAPES, STAGE_3_NAME, FeatureCache, content_key
from train.embedded.sam2 import SIDE
from train.embedded.stage_3_cache import Stage3Cache


@pytest.fixture
def images(tmp_path) -> list[str]:
    """Two images of noise in the cache, and a black one that is not."""
    rng, cache = np.random.default_rng(0), FeatureCache(tmp_path / "cache", (STAGE_3_NAME,))
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "black.png")]
    for number, path in enumerate(paths[:2], 1):
        Image.fromarray(rng.integers(0, 255, (40, 60, 3), np.uint8)).save(path)
        pixels = image_processor(SIDE)(Image.open(path), return_tensors="pt").pixel_values[0]
        cache.append(content_key(pixels), {STAGE_3_NAME: torch.full(SHAPES[STAGE_3_NAME], float(number))})
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(paths[2])
    return paths


def test_only_images_with_maps_are_indexed_and_each_gives_its_own(tmp_path, images):
    maps = Stage3Cache([tmp_path / "cache"])
    assert maps.index(images) == images[:2]
    assert [maps.get(path).mean().item() for path in images[:2]] == [1, 2]
    assert maps.get(images[0]).shape == SHAPES[STAGE_3_NAME] and maps.get(images[0]).dtype == torch.float32
    with pytest.raises(KeyError):
        maps.get(images[2])


def test_the_keys_of_paths_are_computed_once(tmp_path, images, monkeypatch):
    Stage3Cache([tmp_path / "cache"]).index(images)
    monkeypatch.setattr("train.embedded.stage_3_cache.content_key", lambda _: pytest.fail("computed again"))
    assert Stage3Cache([tmp_path / "cache"]).index(images) == images[:2]


def test_several_folders_are_one_cache(tmp_path, images):
    second = FeatureCache(tmp_path / "second", (STAGE_3_NAME,))
    pixels = image_processor(SIDE)(Image.open(images[2]).convert("RGB"), return_tensors="pt").pixel_values[0]
    second.append(content_key(pixels), {STAGE_3_NAME: torch.full(SHAPES[STAGE_3_NAME], 3.0)})
    maps = Stage3Cache([tmp_path / "cache", tmp_path / "second"])
    assert maps.index(images) == images and maps.get(images[2]).mean().item() == 3

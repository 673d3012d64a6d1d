"""`train/embedded/features.py`: cached features come back, survive a kill, and stand in for the encoders."""

import torch
from PIL import Image
from transformers import AutoModelForImageTextToText

from medreasoner.segmenters.registry import load_segmenter
from tests import tiny
from train.embedded.features import MAPS, SHAPES, CachedFeatures, FeatureCache, content_key


def arrays(value: float) -> dict[str, torch.Tensor]:
    return {"tokens": torch.full(SHAPES["tokens"], value)}


def test_cached_features_come_back_and_survive_a_restart(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.append("a", arrays(1.5))
    cache.append("b", arrays(-2.0))
    again = FeatureCache(tmp_path)
    assert "a" in again and "c" not in again
    assert torch.equal(again.get("b"), arrays(-2.0)["tokens"].half())
    assert again.get("a").unique().tolist() == [1.5]


def test_a_row_cut_off_by_a_kill_is_written_again(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.append("a", arrays(1.0))
    with open(tmp_path / "tokens.f16", "ab") as file:
        file.write(b"\0" * 1000)  # a second row that never got its key
    again = FeatureCache(tmp_path)
    again.append("b", arrays(2.0))
    assert FeatureCache(tmp_path).get("b").unique().tolist() == [2.0]
    assert FeatureCache(tmp_path).get("a").unique().tolist() == [1.0]


def test_the_key_is_the_content_of_the_image():
    pixels = torch.rand(3, 512, 512)
    assert content_key(pixels) == content_key(pixels.clone())
    assert content_key(pixels) != content_key(pixels.flip(-1))


class Calls:
    """A function that counts its calls."""

    def __init__(self, function):
        self.function, self.count = function, 0

    def __call__(self, *args, **kwargs):
        self.count += 1
        return self.function(*args, **kwargs)


def test_a_segmenters_maps_are_encoded_once_and_read_from_disk_afterwards(tmp_path, monkeypatch):
    segmenter = load_segmenter(tiny.segmenter(tmp_path / "s"), device="cpu")
    image = Image.linear_gradient("L").convert("RGB")
    encoded = segmenter.encode(image)
    shapes = {name: tuple(m.shape[1:]) for name, m in zip(MAPS, encoded.maps, strict=True)}
    monkeypatch.setattr("train.embedded.features.SHAPES", SHAPES | shapes)
    calls = segmenter.encode = Calls(segmenter.encode)
    first = CachedFeatures([], tmp_path / "maps").encode(segmenter, image)
    again = CachedFeatures([], tmp_path / "maps").encode(segmenter, image)
    filled = CachedFeatures([tmp_path / "maps"]).encode(segmenter, image)
    assert calls.count == 1
    for found in (first, again, filled):
        assert found.image_wh == encoded.image_wh
        assert all(torch.allclose(a, b, atol=1e-2) for a, b in zip(found.maps, encoded.maps, strict=True))


def test_maps_of_another_size_than_the_caches_are_not_stored(tmp_path):
    segmenter = load_segmenter(tiny.segmenter(tmp_path / "s"), device="cpu")
    calls = segmenter.encode = Calls(segmenter.encode)
    features = CachedFeatures([], tmp_path / "maps")
    for _ in range(2):
        features.encode(segmenter, Image.linear_gradient("L").convert("RGB"))
    assert calls.count == 2 and not FeatureCache(tmp_path / "maps").rows


def test_a_tower_answers_from_the_cache_for_the_images_in_it(tmp_path, monkeypatch):
    model = AutoModelForImageTextToText.from_pretrained(tiny.embedded(tmp_path / "m"), dtype=torch.float32)
    tower = model.model.vision_tower
    pixels = torch.rand(2, 3, 512, 512)
    with torch.no_grad():
        tokens = tower(pixels).last_hidden_state
    monkeypatch.setattr("train.embedded.features.SHAPES", {"tokens": tuple(tokens.shape[1:])})
    FeatureCache(tmp_path / "cache").append(content_key(pixels[0]), {"tokens": tokens[0]})
    calls = tower.forward = Calls(tower.forward)
    CachedFeatures([tmp_path / "cache"]).attach(model)
    with torch.no_grad():
        known = tower(pixel_values=pixels[:1]).last_hidden_state
        assert calls.count == 0 and torch.allclose(known, tokens[:1], atol=1e-2)
        assert torch.equal(tower(pixel_values=pixels).last_hidden_state, tokens) and calls.count == 1

"""`train/embedded/features.py`: cached features stand in for the encoders, and the command fills the cache."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, Sam2Model

from medreasoner.reasoners.image_projector import STAGE_3
from medreasoner.segmenters.registry import load_segmenter
from tests import tiny, tiny_medreasoner
from train.embedded import feature_cache, features
from train.embedded.feature_cache import MAPS, SHAPES, STAGE_3_NAME, FeatureCache, content_key
from train.embedded.features import CachedFeatures, remember_features
from train.embedded.sam2 import sam2_config
from train.embedded.stage_3_cache import Stage3Cache


def set_shapes(monkeypatch, shapes: dict[str, tuple[int, ...]]) -> None:
    for module in (features, feature_cache):
        monkeypatch.setattr(module, "SHAPES", shapes)


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
    set_shapes(monkeypatch, SHAPES | shapes)
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
    assert calls.count == 2 and not FeatureCache(tmp_path / "maps", MAPS).rows


def test_a_tower_answers_from_the_cache_for_the_images_in_it(tmp_path, monkeypatch):
    model, pixels = tiny_medreasoner.model(), torch.rand(2, 3, 512, 512)
    tower = model.model.vision_tower
    with torch.no_grad():
        stage_3 = tower(pixels, output_hidden_states=True).hidden_states[STAGE_3]
        tokens = model.model.image_tokens(stage_3)
    set_shapes(monkeypatch, {STAGE_3_NAME: tuple(stage_3.shape[1:])})
    FeatureCache(tmp_path / "cache", (STAGE_3_NAME,)).append(
        content_key(pixels[0]), {STAGE_3_NAME: stage_3[0]}
    )
    calls = tower.forward = Calls(tower.forward)
    CachedFeatures([tmp_path / "cache"]).attach(model)
    with torch.no_grad():
        known = model.model.get_image_features(pixels[:1]).pooler_output
        assert calls.count == 0 and torch.allclose(known[0], tokens[0], atol=2e-2)
        both = model.model.get_image_features(pixels).pooler_output
    assert calls.count == 1 and torch.allclose(torch.stack(both), tokens, atol=1e-5)


def test_of_the_first_architecture_the_blocks_after_the_third_stage_are_run(tmp_path, monkeypatch):
    tower, pixels = tiny_medreasoner.model().model.vision_tower, torch.rand(1, 3, 512, 512)
    with torch.no_grad():
        states = tower(pixels, output_hidden_states=True).hidden_states
    set_shapes(monkeypatch, {STAGE_3_NAME: tuple(states[STAGE_3].shape[1:])})
    cache = FeatureCache(tmp_path / "cache", (STAGE_3_NAME,))
    cache.append(content_key(pixels[0]), {STAGE_3_NAME: states[STAGE_3][0]})
    remember_features(tower, [cache], whole=True)
    with torch.no_grad():
        known = tower(pixels, output_hidden_states=True).hidden_states
    assert len(known) == len(states) and known[0] is None
    assert all(
        torch.allclose(a, b, atol=2e-2) for a, b in zip(known[STAGE_3:], states[STAGE_3:], strict=True)
    )


def test_a_model_with_another_tower_encodes_every_image(tmp_path):
    FeatureCache(tmp_path / "cache", (STAGE_3_NAME,)).append(
        "a", {STAGE_3_NAME: torch.zeros(SHAPES[STAGE_3_NAME])}
    )
    model = AutoModelForImageTextToText.from_pretrained(tiny.embedded(tmp_path / "m"))
    encode = model.model.vision_tower.forward
    CachedFeatures([tmp_path / "cache"]).attach(model)
    assert model.model.vision_tower.forward == encode


@pytest.fixture
def images(tmp_path) -> list[str]:
    (tmp_path / "images").mkdir()
    paths = [tmp_path / "images" / f"{n}.png" for n in range(2)]
    for n, path in enumerate(paths):
        Image.fromarray(np.full((40, 60, 3), 90 + n, np.uint8)).save(path)
    return [str(path) for path in paths]


def fill(monkeypatch, tmp_path, *options: str) -> None:
    """Run the command with random SAM 2 weights."""
    torch.manual_seed(0)
    sam2 = Sam2Model(sam2_config()).eval()
    monkeypatch.setattr(features, "load_sam2", lambda path: sam2)
    command = [
        "features",
        "--images",
        tmp_path / "images",
        "--sam2",
        "weights",
        "--out",
        tmp_path / "cache",
        *options,
    ]
    monkeypatch.setattr(sys, "argv", [str(part) for part in command])
    features.main()


def test_the_command_fills_a_cache_once_and_goes_on(tmp_path, images, monkeypatch):
    fill(monkeypatch, tmp_path, "--stage-3")
    keys = (tmp_path / "cache/keys.txt").read_text()
    encode = Calls(features.encode)
    monkeypatch.setattr(features, "encode", encode)
    fill(monkeypatch, tmp_path, "--stage-3")
    assert encode.count == 0 and (tmp_path / "cache/keys.txt").read_text() == keys and len(keys.split()) == 2
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(tmp_path / "images/new.png")
    fill(monkeypatch, tmp_path, "--stage-3")
    assert encode.count == 1 and len((tmp_path / "cache/keys.txt").read_text().split()) == 3


def test_both_kinds_of_features_hold_the_same_third_stage(tmp_path, images, monkeypatch):
    fill(monkeypatch, tmp_path, "--stage-3")
    (tmp_path / "cache").rename(tmp_path / "alone")
    fill(monkeypatch, tmp_path, "--stage-3", "--mask-inputs")
    alone, both = Stage3Cache([tmp_path / "alone"]), Stage3Cache([tmp_path / "cache"])
    assert alone.index(images) == both.index(images) == images
    assert torch.allclose(alone.get(images[0]), both.get(images[0]), atol=1e-2)
    assert both.get(images[0]).abs().max() > 0 and both.caches[0].holds(MAPS[2])


def test_the_command_wants_to_know_what_to_store(tmp_path, images, monkeypatch, capsys):
    with pytest.raises(SystemExit):
        fill(monkeypatch, tmp_path)
    assert "nothing to store: give --stage-3, --mask-inputs or both" in capsys.readouterr().err

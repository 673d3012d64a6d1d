"""`train/embedded/mask_decoder.py`: tunes what is drawn at inference, from the command line to a folder
that loads."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import Sam2Model

from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.segmenters.sam2 import image_processor
from tests import tiny
from train.embedded import mask_decoder
from train.embedded.features import SHAPES, FeatureCache, content_key
from train.embedded.mask_decoder import masks_of
from train.embedded.mask_examples import SIDE, Batch
from train.embedded.sam2 import sam2_config


@pytest.mark.parametrize("looks", [1, 2])
def test_the_masks_that_are_trained_are_those_that_are_drawn(tmp_path, looks):
    torch.manual_seed(1)
    folder = tiny.segmenter(tmp_path / "s")
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "multimask": False, "looks": looks}))
    segmenter = load_segmenter(folder, device="cpu")
    y, x = np.mgrid[:SIDE, :SIDE]
    picture = Image.fromarray(np.stack([x, y, 255 * (np.hypot(x - 128, y - 150) < 50)], -1).astype(np.uint8))
    encoded = segmenter.encode(picture)
    prompt = SegmenterPrompt((80.0, 100.0, 180.0, 200.0), ((128.0, 150.0), (110.0, 140.0)))
    nothing = torch.zeros(1, SIDE, SIDE)
    batch = Batch(
        encoded.maps,
        torch.tensor([[prompt.box]]) * 2,
        torch.tensor([[prompt.points]]) * 2,
        nothing,
        nothing,
    )
    plain, _ = masks_of(segmenter._model, batch, looks)
    clicked, _ = masks_of(
        segmenter._model, batch, looks, torch.tensor([[[[120.0, 400.0]]]]), torch.tensor([[[0]]])
    )
    assert ((plain[0] > 0).numpy() == segmenter.segment(encoded, prompt)[0]).mean() > 0.999
    prompt = replace(prompt, clicks=((60.0, 200.0, False),))
    assert ((clicked[0] > 0).numpy() == segmenter.segment(encoded, prompt)[0]).mean() > 0.999
    assert 0.01 < (plain > 0).float().mean() < 0.99 and not torch.allclose(plain, clicked)


@pytest.fixture
def features(built_set, tmp_path):
    """Caches of random maps for the images of the set."""
    cache, processor = FeatureCache(tmp_path / "features", tuple(SHAPES)), image_processor(512)
    for path in sorted((built_set / "images").iterdir()):
        pixels = processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values[0]
        cache.append(content_key(pixels), {name: torch.randn(shape) for name, shape in SHAPES.items()})
    return cache.folder


def tune(monkeypatch, built_set, features, out, *options: str) -> dict:
    """Run the command with random SAM 2 weights; returns the record it leaves."""
    torch.manual_seed(0)
    monkeypatch.setattr(mask_decoder, "load_sam2", lambda path: Sam2Model(sam2_config()).eval())
    command = ["mask_decoder", "--data", built_set, "--features", features, "--sam2", "weights", "--out", out]
    monkeypatch.setattr(sys, "argv", [*map(str, command), *options])
    mask_decoder.main()
    return json.loads((out / "run.json").read_text())


def test_the_command_tunes_the_decoder_and_goes_on_from_the_mean_of_runs(
    monkeypatch, built_set, features, tmp_path
):
    options = ("--steps", "2", "--batch", "2", "--clicked", "0.5", "--average", "0.9", "--jitter", "0.1")
    first = tune(monkeypatch, built_set, features, tmp_path / "a", *options, "--fixed", "iou_token")
    assert first["examples"] == 3 and first["held_back"]["n"] == 1 and 0 <= first["held_back"]["usual"] <= 1
    more = ("--steps", "0", "--start", str(tmp_path / "a"), "--keep", "0.5", "--looks", "2")
    second = tune(monkeypatch, built_set, features, tmp_path / "b", *more)
    assert second["before"][0]["examples"] == 3 and "examples" not in second
    torch.manual_seed(0)
    untuned = Sam2Model(sam2_config()).state_dict()
    tuned, between = (load_file(tmp_path / name / "model.safetensors") for name in "ab")
    assert not any(name.startswith("vision_encoder.") for name in tuned)
    assert torch.equal(
        tuned["mask_decoder.iou_token.weight"], untuned["mask_decoder.iou_token.weight"].half()
    )
    name = "mask_decoder.mask_tokens.weight"
    assert not torch.equal(tuned[name], untuned[name].half())
    halfway = (tuned[name].float() + untuned[name]) / 2
    assert torch.allclose(between[name].float(), halfway, atol=1e-3)
    assert json.loads((tmp_path / "b" / "medreasoner.json").read_text())["looks"] == 2

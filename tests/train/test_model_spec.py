"""`train/model_spec.py`: a model is trained on the images and the prompt it answers on."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from tests import tiny, tiny_families
from train.model_spec import open_model_spec

FAMILIES = {
    "embedded": tiny.embedded,
    "qwen2_5_vl": tiny.qwen2_5_vl,
    "qwen3_vl": tiny.qwen3_vl,
    "qwen2_vl": tiny_families.qwen2_vl,
    "internvl": tiny_families.internvl,
    "gemma3": tiny_families.gemma3,
    "llava": tiny_families.llava,
}


def image(width: int = 1500, height: int = 1100) -> Image.Image:
    """Larger than `Family.max_pixels`, not square, every pixel its own colour."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.dstack([x % 256, y % 256, (x // 4 + y // 3) % 256]).astype(np.uint8))


@pytest.fixture(scope="module", params=FAMILIES)
def folder(request, tmp_path_factory):
    return FAMILIES[request.param](tmp_path_factory.mktemp(request.param) / "model")


def test_training_sees_the_pixels_and_the_prompt_of_inference(folder):
    spec, reasoner = open_model_spec(str(folder)), load_reasoner(folder, device="cpu")
    encoded = reasoner.encode(image())
    resized = spec.resize(image())
    if reasoner.paired_segmenter is None:  # the embedded model's encoded image is already a token grid
        trained, answered = (spec.inputs(each, "Where?") for each in (resized, encoded.image))
        assert torch.equal(trained["input_ids"], answered["input_ids"])
        assert trained["pixel_values"].shape == answered["pixel_values"].shape
        assert torch.allclose(
            trained["pixel_values"], answered["pixel_values"], atol=0.02
        )  # rounded to bytes
    assert spec.input_wh(resized) == encoded.input_wh
    assert (spec.prompt, spec.frame) == (reasoner.prompt, reasoner.frame)


SIDES = {
    "embedded": 512,
    "qwen2_5_vl": 112,
    "gemma3": 56,
    "llava": 56,
}  # InternVL cuts tiles, the others keep the aspect


def test_the_side_is_that_of_the_one_size_in_which_images_enter_the_model(folder):
    spec = open_model_spec(str(folder))
    side = next((side for name, side in SIDES.items() if name in str(folder)), None)
    assert spec.side == side
    sizes = {spec.resize(image(*wh)).size for wh in ((400, 200), (300, 600))}
    assert sizes == ({(side, side)} if side else {(400, 200), (300, 600)})


def test_the_models_own_limit_goes_before_its_familys(tmp_path):
    folder = tiny.qwen3_vl(tmp_path / "model")
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "max_pixels": 200 * 200}))
    assert open_model_spec(str(folder)).resize(image(800, 200)).size == (400, 100)


def test_a_prompt_that_is_not_the_models_is_refused(tmp_path):
    folder = tiny.qwen3_vl(tmp_path / "model")
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "prompt_sha256": "0" * 64}))
    with pytest.raises(ReasonerError, match="trained with the prompt 000000000000"):
        open_model_spec(str(folder))

"""SAM, MedSAM and SAM 3 with tiny random weights of the real classes: each loads, sees its image its own way,
and draws from its prompts.

python -m pytest tests/segmenters/test_sam.py
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import SamConfig, SamModel

from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt
from medreasoner.segmenters.registry import load_segmenter
from medreasoner.segmenters.sam import MEDSAM, SAM, SamSegmenter
from tests import tiny_families as tiny

TRUTH = SegmenterPrompt((20.0, 10.0, 60.0, 50.0), ((30.0, 20.0), (40.0, 40.0)))


def picture(width: int = 90, height: int = 60) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(60, 200, (height, width, 3), np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sam")
    return {
        "sam": tiny.sam(root / "sam-tiny"),
        "medsam": tiny.sam(root / "medsam-tiny"),
        "sam3": tiny.sam3_tracker(root / "sam3-tiny"),
    }


@pytest.mark.parametrize("kind", ["sam", "medsam", "sam3"])
def test_each_draws_a_mask_of_the_images_size_and_the_same_one_twice(folders, kind):
    segmenter = load_segmenter(folders[kind], device="cpu")
    encoded = segmenter.encode(picture())
    mask, score = segmenter.segment(encoded, TRUTH)
    assert mask.shape == (60, 90) and mask.dtype == bool and 0 <= score <= 1
    again, _ = segmenter.segment(segmenter.encode(picture()), TRUTH)
    assert np.array_equal(mask, again)


def decoded(segmenter: SamSegmenter, prompt: SegmenterPrompt) -> dict:
    """What the model is asked with."""
    seen = {}

    def ask(**inputs):
        seen.update(inputs)
        raise RuntimeError("enough")

    segmenter._model.forward = ask
    with pytest.raises(SegmenterError, match="could not draw the mask: enough"):
        segmenter.segment(segmenter.encode(picture()), prompt)
    return seen


def test_medsam_stretches_values_and_sides_and_looks_at_the_box_alone(folders):
    medsam = load_segmenter(folders["medsam"], device="cpu")
    assert medsam.draws_from == ("both", "box")
    pixels = medsam._pixels(picture())
    assert pixels.shape == (1, 3, 64, 64) and (pixels.min(), pixels.max()) == (0, 1)
    asked = decoded(medsam, TRUTH)
    assert "input_points" not in asked and asked["multimask_output"] is False
    assert asked["input_boxes"].flatten().tolist() == pytest.approx(
        [20 * 64 / 90, 10 * 64 / 60, 60 * 64 / 90, 50 * 64 / 60]
    )


def test_sam_keeps_the_aspect_and_pads(folders):
    sam = load_segmenter(folders["sam"], device="cpu")
    assert sam.draws_from == ("both", "box", "points")
    pixels = sam._pixels(picture())
    assert pixels[..., 43:, :].abs().max() == 0 and pixels[..., :43, :].abs().max() > 0, (
        "60 / 90 of 64 rows hold the image"
    )
    asked = decoded(sam, TRUTH)
    assert asked["multimask_output"] is True and asked["input_labels"].tolist() == [[[1, 1]]]
    assert asked["input_points"][0, 0, 0].tolist() == pytest.approx([30 * 64 / 90, 20 * 43 / 60])


def test_sam_sees_what_its_own_processor_makes(folders):
    from transformers import SamImageProcessor

    own = SamImageProcessor(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})(
        picture(), return_tensors="pt"
    )["pixel_values"]
    ours = load_segmenter(folders["sam"], device="cpu")._pixels(picture())
    assert (own - ours).abs().max() < 0.03  # resizing differs in the last bit of 8


@pytest.mark.parametrize("kind", ["sam", "sam3"])
def test_box_alone_points_alone_and_clicks_are_three_questions(folders, kind):
    segmenter = load_segmenter(folders[kind], device="cpu")
    for prompt in (SegmenterPrompt(TRUTH.box), SegmenterPrompt(points=TRUTH.points)):
        mask, _ = segmenter.segment(segmenter.encode(picture()), prompt)
        assert mask.shape == (60, 90)
    asked = decoded(segmenter, SegmenterPrompt(TRUTH.box))
    assert "input_points" not in asked and "input_boxes" in asked
    del segmenter._model.forward
    asked = decoded(segmenter, SegmenterPrompt(points=TRUTH.points))
    assert "input_boxes" not in asked and asked["input_labels"].tolist() == [[[1, 1]]]
    del segmenter._model.forward


def test_upstream_compat_gives_medsam_the_preprocessing_of_sam(folders):
    compat = load_segmenter(f"upstream-compat:{folders['medsam']}", device="cpu")
    assert compat._recipe == SAM and load_segmenter(folders["medsam"], device="cpu")._recipe == MEDSAM
    assert compat.name.startswith("upstream-compat:")


def test_half_a_folder_is_refused_in_one_sentence(folders, tmp_path):
    with pytest.raises(SegmenterError, match="is not a usable"):
        load_segmenter(tmp_path, device="cpu")
    config = SamModel(SamConfig.from_pretrained(folders["sam"])).config
    config.save_pretrained(tmp_path)
    save_file(
        {"prompt_encoder.mask_embed.conv1.bias": torch.zeros(4)},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    with pytest.raises(SegmenterError, match="lack [0-9]+ tensors|cannot be|not a usable"):
        load_segmenter(tmp_path, device="cpu")

"""A SAM 2 of a few thousand weights for both libraries, and the comparison of their masks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Sam2Config, Sam2Model

from medreasoner.segmenters import sam2_keys
from medreasoner.segmenters.base import Segmenter, SegmenterPrompt

PROMPT = SegmenterPrompt((120.0, 90.0, 380.0, 400.0), ((250.0, 240.0), (300.0, 300.0)))
SMALL_TRUNK = (
    "++model.image_encoder.trunk.embed_dim=16",
    "++model.image_encoder.trunk.stages=[1,1,2,1]",
    "++model.image_encoder.trunk.global_att_blocks=[3]",
    "++model.image_encoder.neck.backbone_channel_list=[128,64,32,16]",
)
SMALL_BACKBONE = {
    "hidden_size": 16,
    "blocks_per_stage": [1, 1, 2, 1],
    "embed_dim_per_stage": [16, 32, 64, 128],
    "global_attention_blocks": [3],
}


def through_transformers(state: dict[str, torch.Tensor], **backbone: object) -> Sam2Model:
    channels = {"backbone_channel_list": backbone["embed_dim_per_stage"][::-1]} if backbone else {}
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": {"model_type": "sam2_hiera_det_model", "image_size": [512, 512], **backbone},
        "backbone_feature_sizes": [[128, 128], [64, 64], [32, 32]],
        **channels,
    }
    model = Sam2Model(Sam2Config(vision_config=vision, prompt_encoder_config={"image_size": 512}))
    missing, unexpected = model.load_state_dict(sam2_keys.to_transformers(state), strict=False)
    assert not unexpected
    assert all("pred_obj_score_head" in key for key in missing)
    return model.eval()


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def same_masks(one: Segmenter, other: Segmenter, picture: Image.Image) -> None:
    encoded = [(segmenter, segmenter.encode(picture)) for segmenter in (one, other)]
    clicked = ((300.0, 150.0, True), (200.0, 380.0, False))
    box_alone, points_alone = replace(PROMPT, points=()), replace(PROMPT, box=None)
    for prompt in (
        PROMPT,
        replace(PROMPT, clicks=clicked),
        box_alone,
        replace(box_alone, clicks=clicked),
        points_alone,
    ):
        (first, first_score), (second, second_score) = (
            segmenter.segment(seen, prompt) for segmenter, seen in encoded
        )
        assert first.shape == second.shape == (512, 512)
        assert first.dtype == second.dtype == bool
        assert 0.01 < first.mean() < 0.99, "a mask that is all one value would prove nothing"
        assert iou(first, second) >= 0.999
        assert first_score == pytest.approx(second_score, abs=1e-3)

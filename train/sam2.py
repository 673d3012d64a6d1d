"""SAM 2 hiera-tiny for 512 px input as training needs it: transformers' model from the `sam2` package's weights, and its pixels.

Is: configuration, strict loading, preprocessing. Is not: the segmenter (`medreasoner/segmenters/`).
"""

from pathlib import Path

from safetensors.torch import load_file
from transformers import CLIPImageProcessor, Sam2Config, Sam2Model

from medreasoner.segmenters.sam2_keys import to_transformers


def sam2_config() -> Sam2Config:
    """SAM 2 hiera-tiny for 512 px input, as `Sam2Model` wants it."""
    config = Sam2Config()
    vision, prompt = config.vision_config.to_dict(), config.prompt_encoder_config.to_dict()
    vision["backbone_feature_sizes"] = [[128, 128], [64, 64], [32, 32]]
    vision["backbone_config"]["image_size"] = [512, 512]
    vision["hidden_size"] = 768  # Sam2VisionConfig has none; LLaVA's projector reads it
    prompt["image_size"] = 512
    return Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=config.mask_decoder_config.to_dict())


def load_sam2(weights: Path) -> Sam2Model:
    """`Sam2Model` from a safetensors file under the `sam2` package's names; only the unused object-score head may be missing."""
    model = Sam2Model(sam2_config()).eval()
    state = {key: value.float() for key, value in to_transformers(load_file(weights)).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any("pred_obj_score_head" not in key for key in missing):
        raise ValueError(f"{weights} is not a SAM 2 hiera-tiny image model: missing {missing[:3]}, unexpected {unexpected[:3]}")
    return model


def image_processor() -> CLIPImageProcessor:
    """512 px square, bilinear, ImageNet statistics: what SAM 2 was trained on, as a stock CLIPImageProcessor
    (Sam2ImageProcessor would add `original_sizes`, which `generate` inside GRPOTrainer refuses)."""
    return CLIPImageProcessor(
        size={"height": 512, "width": 512},
        do_center_crop=False,
        resample=2,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )

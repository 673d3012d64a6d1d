"""SAM 2 hiera-tiny for 512 px input as training needs it: transformers' model with the weights of the `sam2`
package.

The segmenter at inference is `medreasoner/segmenters/sam2.py`.
"""

from pathlib import Path

from safetensors.torch import load_file
from transformers import Sam2Config, Sam2Model

from medreasoner.segmenters.sam2_keys import to_transformers

SIDE = 512


def sam2_config() -> Sam2Config:
    """Configuration of SAM 2 hiera-tiny for 512 px input."""
    config = Sam2Config()
    vision, prompt = config.vision_config.to_dict(), config.prompt_encoder_config.to_dict()
    vision["backbone_feature_sizes"] = [[128, 128], [64, 64], [32, 32]]
    vision["backbone_config"]["image_size"] = [SIDE, SIDE]
    vision["hidden_size"] = 768  # Sam2VisionConfig has none; LLaVA's projector reads it
    prompt["image_size"] = SIDE
    return Sam2Config(
        vision_config=vision,
        prompt_encoder_config=prompt,
        mask_decoder_config=config.mask_decoder_config.to_dict(),
    )


def load_sam2(weights: Path) -> Sam2Model:
    """`Sam2Model` from a safetensors file under the `sam2` package's names; only the unused object-score
    head may be missing."""
    model = Sam2Model(sam2_config()).eval()
    state = {key: value.float() for key, value in to_transformers(load_file(weights)).items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected or any("pred_obj_score_head" not in key for key in missing):
        raise ValueError(
            f"{weights} is not a SAM 2 hiera-tiny image model: "
            f"missing {missing[:3]}, unexpected {unexpected[:3]}"
        )
    return model

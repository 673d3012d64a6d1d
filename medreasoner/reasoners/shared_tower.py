"""Which models look through SAM 2's own image encoder, so that one pass over an image serves them and their
segmenter.

Both architectures of the embedded pair do: LLaVA with a `sam2_vision_model` for its tower, and `embedded.py`.
The maps that a SAM 2 mask decoder reads come with their image tokens, as `EncodedImage.features`.
"""

from transformers import PreTrainedConfig

from medreasoner.reasoners.embedded import MedReasonerConfig

TOWER = "sam2_vision_model"
# those whose `get_image_features` returns the tower's maps beside the image tokens
ARCHITECTURES = ("llava", MedReasonerConfig.model_type)


def shares_vision_tower(config: PreTrainedConfig) -> bool:
    """Whether the model's vision tower is SAM 2's image encoder, whose maps a segmenter can use."""
    return config.model_type in ARCHITECTURES and config.vision_config.model_type == TOWER

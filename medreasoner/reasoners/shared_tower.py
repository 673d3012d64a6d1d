"""Which models look through SAM 2's own image encoder, so that one pass over an image serves them and their
segmenter.

Both architectures of the embedded pair do: LLaVA with a `sam2_vision_model` for its tower, and `embedded.py`.
The maps that a SAM 2 mask decoder reads come with their image tokens, as `EncodedImage.features`.
"""

from PIL import Image
from transformers import PreTrainedConfig
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import ModelOutput

from medreasoner.reasoners.base import EncodedImage
from medreasoner.reasoners.embedded import MedReasonerConfig

TOWER = "sam2_vision_model"
# those whose `get_image_features` returns the tower's maps beside the image tokens
ARCHITECTURES = ("llava", MedReasonerConfig.model_type)


def shares_vision_tower(config: PreTrainedConfig) -> bool:
    """Whether the model's vision tower is SAM 2's image encoder, whose maps a segmenter can use."""
    return config.model_type in ARCHITECTURES and config.vision_config.model_type == TOWER


def encoded_for_both(image: Image.Image, input_wh: tuple[int, int], outputs: ModelOutput) -> EncodedImage:
    """What one pass of the tower made of `image`, for the model and for the segmenter.

    Args:
        outputs: of `get_image_features`, for one image.
    """
    # generate counts one token per row of each entry, so a grid of tokens goes in flat
    tokens = BaseModelOutputWithPooling(pooler_output=[grid.flatten(0, -2) for grid in outputs.pooler_output])
    image = image.resize(input_wh, Image.Resampling.NEAREST)  # only its size matters from here on
    inputs = {"mm_encoder_outputs": {"image": tokens}}
    return EncodedImage(image, input_wh, tuple(outputs.fpn_hidden_states), inputs)

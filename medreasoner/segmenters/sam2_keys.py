"""Renames the tensors of the `sam2` package's SAM 2 for transformers' `Sam2Model`.

Values are not touched. The memory modules for video have no counterpart in `Sam2Model` and are left out. The
names were read from the two installed packages (sam2 1.1.0, transformers 5.23.0).
"""

import re

import torch

POSITIONAL = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
POINTS = "sam_prompt_encoder.point_embeddings"
MEMORY = (
    "memory_attention.",
    "memory_encoder.",
    "maskmem_tpos_enc",
    "no_mem_pos_enc",
    "mask_downsample.",
    "obj_ptr_",
    "no_obj_ptr",
    "no_obj_embed_spatial",
)

_MLP_OF_THREE = r"(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)"
# (pattern in sam2, template in transformers), applied in order to each key
_TO_TRANSFORMERS = [
    (r"^image_encoder\.trunk\.", "vision_encoder.backbone."),
    (r"^image_encoder\.neck\.convs\.(\d+)\.conv\.", r"vision_encoder.neck.convs.\1."),
    (r"^sam_mask_decoder\.", "mask_decoder."),
    (r"^sam_prompt_encoder\.", "prompt_encoder."),
    (r"\.patch_embed\.proj\.", ".patch_embed.projection."),
    (r"\.(blocks\.\d+)\.norm([12])\.", r".\1.layer_norm\2."),
    (r"\.mlp\.layers\.0\.", ".mlp.proj_in."),
    (r"\.mlp\.layers\.1\.", ".mlp.proj_out."),
    (_MLP_OF_THREE + r"\.layers\.0\.", r"\1.proj_in."),
    (_MLP_OF_THREE + r"\.layers\.1\.", r"\1.layers.0."),
    (_MLP_OF_THREE + r"\.layers\.2\.", r"\1.proj_out."),
    (r"\.out_proj\.", ".o_proj."),
    (r"(transformer\.layers\.\d+)\.norm(\d)\.", r"\1.layer_norm\2."),
    (r"\.norm_final_attn\.", ".layer_norm_final_attn."),
    (r"\.output_upscaling\.0\.", ".upscale_conv1."),
    (r"\.output_upscaling\.1\.", ".upscale_layer_norm."),
    (r"\.output_upscaling\.3\.", ".upscale_conv2."),
    (r"\.mask_downscaling\.0\.", ".mask_embed.conv1."),
    (r"\.mask_downscaling\.1\.", ".mask_embed.layer_norm1."),
    (r"\.mask_downscaling\.3\.", ".mask_embed.conv2."),
    (r"\.mask_downscaling\.4\.", ".mask_embed.layer_norm2."),
    (r"\.mask_downscaling\.6\.", ".mask_embed.conv3."),
    (r"^no_mem_embed$", "no_memory_embedding"),
]


def transformers_key(key: str) -> str:
    """The `Sam2Model` name of a tensor of the `sam2` package, for every tensor that only changes its name."""
    for pattern, template in _TO_TRANSFORMERS:
        key = re.sub(pattern, template, key)
    return key


def to_transformers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A `sam2` image model's state dict under the names that `Sam2Model.load_state_dict` takes.

    The four point embeddings (1, 256) become one (4, 256) table and the positional matrix is stored twice, as
    `Sam2Model` has them.
    """
    out = {}
    for key, value in state.items():
        if key == POSITIONAL:
            out["shared_image_embedding.positional_embedding"] = value
            out["prompt_encoder.shared_embedding.positional_embedding"] = value
        elif not key.startswith((POINTS, *MEMORY)):
            out[transformers_key(key)] = value
    if f"{POINTS}.0.weight" in state:
        out["prompt_encoder.point_embed.weight"] = torch.cat(
            [state[f"{POINTS}.{i}.weight"] for i in range(4)]
        )
    return out

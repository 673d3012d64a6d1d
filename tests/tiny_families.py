"""More tiny models of the real classes, with random weights or wired to write a script (see tiny.py): one per
architecture that evaluation meets, and the segmenters beside SAM 2."""

from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    CLIPImageProcessor,
    CLIPVisionConfig,
    Gemma3Config,
    Gemma3ForConditionalGeneration,
    Gemma3ImageProcessor,
    Gemma3Processor,
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLForConditionalGeneration,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Sam3Config,
    Sam3ImageProcessor,
    Sam3Model,
    Sam3Processor,
    Sam3TrackerConfig,
    Sam3TrackerModel,
    SamConfig,
    SamModel,
)

from tests.tiny import _QWEN_TOKENS, QWEN_IMAGE, TURNS, _finish, _qwen_ids, _text, _tokenizer


def _named(names: dict[str, str], script: str | None) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """A tokenizer whose image tokens have names of their own, as the processors of some families want them."""
    tokenizer, chunks = _tokenizer(list(names.values()), script)
    tokens = {
        "pad_token": tokenizer.pad_token,
        "eos_token": tokenizer.eos_token,
        "extra_special_tokens": names,
    }
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer, padding_side="left", **tokens
    ), chunks


def qwen2_vl(folder: Path, script: str | None = None) -> Path:
    """Qwen2-VL, the architecture of MedVLM-R1 and Med-R1."""
    torch.manual_seed(0)
    tokenizer, chunks = _tokenizer(_QWEN_TOKENS, script)
    text = {
        **_text(tokenizer),
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2}
    model = Qwen2VLForConditionalGeneration(
        Qwen2VLConfig(text_config=text, vision_config=vision, **_qwen_ids(tokenizer))
    )
    image_processor = Qwen2VLImageProcessor(size={"shortest_edge": 56 * 56, "longest_edge": 140 * 140})
    processor = Qwen2VLProcessor(
        image_processor, tokenizer, Qwen2VLVideoProcessor(), chat_template=TURNS % QWEN_IMAGE
    )
    return _finish(folder, model, processor, chunks, False, 64)


def internvl(folder: Path, script: str | None = None) -> Path:
    """InternVL 3 in transformers' own layout (the "-hf" repositories)."""
    torch.manual_seed(0)
    names = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer, chunks = _named(names, script)
    vision = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = InternVLConfig(
        vision_config={**vision, "image_size": [56, 56], "patch_size": [14, 14]},
        text_config={"model_type": "qwen2", **_text(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    image_processor = GotOcr2ImageProcessor(size={"height": 56, "width": 56}, crop_to_patches=False)
    video_processor = InternVLVideoProcessor()
    processor = InternVLProcessor(
        image_processor, tokenizer, video_processor, image_seq_length=4, chat_template=TURNS % "<IMG_CONTEXT>"
    )
    return _finish(folder, InternVLForConditionalGeneration(config), processor, chunks, False, 64)


def gemma3(folder: Path, script: str | None = None) -> Path:
    """Gemma 3, the architecture of MedGemma."""
    torch.manual_seed(0)
    names = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokenizer, chunks = _named(names, script)
    text = {**_text(tokenizer), "head_dim": 16, "sliding_window": 512, "query_pre_attn_scalar": 16}
    config = Gemma3Config(
        text_config=text,
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "image_size": 56,
            "patch_size": 14,
            "vision_use_head": False,
        },
        mm_tokens_per_image=4,
        image_token_id=tokenizer.image_token_id,
        boi_token_index=tokenizer.boi_token_id,
        eoi_token_index=tokenizer.eoi_token_id,
        tie_word_embeddings=False,
    )
    image_processor = Gemma3ImageProcessor(size={"height": 56, "width": 56})
    processor = Gemma3Processor(
        image_processor, tokenizer, chat_template=TURNS % "<start_of_image>", image_seq_length=4
    )
    return _finish(folder, Gemma3ForConditionalGeneration(config), processor, chunks, False, 64)


def llava(folder: Path, script: str | None = None) -> Path:
    """LLaVA with its usual CLIP tower."""
    torch.manual_seed(0)
    tokenizer, chunks = _tokenizer(["<image>"], script)
    small = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 64}
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**small, image_size=56, patch_size=14),
        text_config=LlamaConfig(**_text(tokenizer), head_dim=16),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=16,
        tie_word_embeddings=False,
    )
    image_processor = CLIPImageProcessor(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56})
    processor = LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TURNS % "<image>",
    )
    return _finish(folder, LlavaForConditionalGeneration(config), processor, chunks, False, 64)


def sam(folder: Path) -> Path:
    """SAM at 64 pixels, which is MedSAM's class too."""
    torch.manual_seed(0)
    config = SamConfig(
        vision_config={
            "hidden_size": 32,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 8,
            "window_size": 4,
            "global_attn_indexes": [1],
            "num_pos_feats": 8,
            "initializer_range": 0.02,
        },
        prompt_encoder_config={
            "hidden_size": 16,
            "image_size": 64,
            "patch_size": 8,
            "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 16,
            "mlp_dim": 32,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
    )
    SamModel(config).save_pretrained(folder)
    return folder


_SAM3_VISION = {
    "backbone_config": {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 112,
        "patch_size": 14,
        "pretrain_image_size": 56,
        "window_size": 4,
        "global_attn_indexes": [1],
    },
    "fpn_hidden_size": 32,
    "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
}


def sam3_tracker(folder: Path) -> Path:
    """SAM 3's tracker at 112 pixels."""
    torch.manual_seed(0)
    config = Sam3TrackerConfig(
        vision_config={"model_type": "sam3_vision_model", **_SAM3_VISION},
        prompt_encoder_config={"hidden_size": 32, "image_size": 112, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 64,
            "num_attention_heads": 4,
            "iou_head_hidden_dim": 32,
        },
    )
    Sam3TrackerModel(config).save_pretrained(folder)
    return folder


def sam3(folder: Path) -> Path:
    """SAM 3 as it is asked in words, at 112 pixels."""
    torch.manual_seed(0)
    tokenizer, _ = _tokenizer([], None)
    small = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 64}
    config = Sam3Config(
        vision_config={"model_type": "sam3_vision_model", **_SAM3_VISION},
        text_config={
            "model_type": "clip_text_model",
            **small,
            "num_hidden_layers": 2,
            "projection_dim": 32,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": 32,
            "eos_token_id": tokenizer.eos_token_id,
        },
        geometry_encoder_config={**small, "num_layers": 1},
        detr_encoder_config={**small, "num_layers": 1},
        detr_decoder_config={**small, "num_layers": 1, "num_queries": 8},
        mask_decoder_config={"hidden_size": 32, "num_attention_heads": 2},
    )
    Sam3Model(config).save_pretrained(folder)
    Sam3Processor(Sam3ImageProcessor(size={"height": 112, "width": 112}), tokenizer).save_pretrained(folder)
    assert AutoConfig.from_pretrained(folder).model_type == "sam3"
    return folder

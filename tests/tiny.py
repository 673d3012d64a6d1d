"""Tiny models in exactly the folder formats of the real ones, built in well under a second each. Shared by
the tests.

There is a pair of the embedded one's format (a LLaVA model on a SAM 2 tower with a mask decoder in
`segmenter/`), Qwen2.5-VL and Qwen3-VL, all with random weights. With `script` the language part is wired to
write that text, token by token, whatever it is shown: attention and MLP are switched off, and the output
layer maps each token's embedding to the next token of the script. `generate`, the processors and the loaders
are the real ones.
"""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPImageProcessor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
    Sam2Config,
    Sam2Model,
)

from medreasoner.answer import Answer, render

THOUGHT = "The question is about the bright part; it lies left of the middle."
SCRIPT = render(Answer((64, 32, 192, 128), ((96, 64), (128, 96)), think=THOUGHT))
CORPUS = [
    "The question asks where fluid would collect. On this scan it lies left of the middle, bright against its surroundings.",
    "Which part of the image explains a cough that does not go away? What drives the blood onward? 0 1 2 3 4 5 6 7 8 9",
    '<think>what you see</think><answer>{"bbox": [1, 2, 3, 4], "points_1": [5, 6], "points_2": [7, 8]}</answer>',
]
PROMPT = {"think": "Think, then point. {question}", "direct": "Point. {question}"}
TURNS = (
    "{%% for m in messages %%}<|im_start|>{{ m.role }}\n{%% if m.content is string %%}{{ m.content }}{%% else %%}"
    "{%% for part in m.content %%}{%% if part.type == 'image' %%}%s\n{%% else %%}{{ part.text }}{%% endif %%}{%% endfor %%}{%% endif %%}"
    "<|im_end|>\n{%% endfor %%}{%% if add_generation_prompt %%}<|im_start|>assistant\n{%% endif %%}"
)
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def embedded(
    folder: Path, script: str | None = None, loop: bool = False, max_new_tokens: int = 64, seed: int = 0
) -> Path:
    """The embedded pair's format: 512 px, 256 image tokens, coordinates 0..255, stored in half precision, its
    own short prompt.
    """
    torch.manual_seed(seed)
    tokenizer, chunks = _tokenizer(["<image>"], script)
    vision = _vision()
    config = LlavaConfig(
        vision_config={**vision, "hidden_size": 64},
        text_config=LlamaConfig(**_text(tokenizer), head_dim=16),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=256,
        vision_feature_layer=5,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model = LlavaForConditionalGeneration(config)
    image_processor = CLIPImageProcessor(
        size={"height": 512, "width": 512},
        do_center_crop=False,
        resample=2,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    template = TURNS % "<image>"
    processor = LlavaProcessor(
        image_processor,
        tokenizer,
        patch_size=32,
        vision_feature_select_strategy="full",
        chat_template=template,
    )
    _finish(folder, model, processor, chunks, loop, max_new_tokens)
    (folder / "prompt.json").write_text(json.dumps(PROMPT))
    (folder / "medreasoner.json").write_text(
        json.dumps({"format": 1, "frame": "0..255", "segmenter": "segmenter"})
    )
    segmenter(folder / "segmenter", own_encoder=False)
    return folder


def sam2_config() -> Sam2Config:
    """Of a SAM 2 at 512 px."""
    return Sam2Config(
        vision_config=_vision(),
        prompt_encoder_config={"hidden_size": 32, "image_size": 512, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 32,
            "mlp_dim": 64,
            "iou_head_hidden_dim": 32,
            "num_attention_heads": 4,
            "dynamic_multimask_via_stability": False,
        },  # fmt: skip
    )


def segmenter(folder: Path, own_encoder: bool = True, multimask: bool = False) -> Path:
    """A mask decoder's folder at 512 px, with or without a vision encoder."""
    torch.manual_seed(0)
    config = sam2_config()
    model = Sam2Model(config)
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half().contiguous() for key, value in model.state_dict().items()}
    save_file(
        {key: value for key, value in state.items() if own_encoder or not key.startswith("vision_encoder.")},
        folder / "model.safetensors",
    )
    config.save_pretrained(folder)
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "multimask": multimask}))
    return folder


def qwen2_5_vl(
    folder: Path, script: str | None = None, loop: bool = False, max_new_tokens: int = 64, square: int = 112
) -> Path:
    """Qwen2.5-VL, its fixed square turned down from 840 px."""
    torch.manual_seed(0)
    tokenizer, chunks = _tokenizer(_QWEN_TOKENS, script)
    text = {
        **_text(tokenizer),
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0},
    }
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 64,
        "fullatt_block_indexes": [1],
    }
    model = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision, **_qwen_ids(tokenizer))
    )
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(), tokenizer, Qwen2VLVideoProcessor(), chat_template=TURNS % QWEN_IMAGE
    )
    _finish(folder, model, processor, chunks, loop, max_new_tokens)
    (folder / "medreasoner.json").write_text(json.dumps({"format": 1, "square": square}))
    return folder


def qwen3_vl(folder: Path, script: str | None = None, loop: bool = False, max_new_tokens: int = 64) -> Path:
    """Qwen3-VL; like a real one it comes with no file of ours."""
    torch.manual_seed(0)
    tokenizer, chunks = _tokenizer(_QWEN_TOKENS, script)
    rope = {
        "rope_type": "default",
        "mrope_section": [3, 3, 2],
        "mrope_interleaved": True,
        "rope_theta": 10000.0,
    }
    text = {**_text(tokenizer), "head_dim": 16, "rope_parameters": rope}
    vision = {
        "depth": 3,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "out_hidden_size": 64,
        "deepstack_visual_indexes": [0, 1],
    }
    model = Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(text_config=text, vision_config=vision, **_qwen_ids(tokenizer))
    )
    image_processor = Qwen2VLImageProcessor(
        patch_size=16, size={"shortest_edge": 64 * 64, "longest_edge": 256 * 256}
    )
    processor = Qwen3VLProcessor(
        image_processor, tokenizer, Qwen3VLVideoProcessor(), chat_template=TURNS % QWEN_IMAGE
    )
    return _finish(folder, model, processor, chunks, loop, max_new_tokens)


_QWEN_TOKENS = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]


def _qwen_ids(tokenizer: PreTrainedTokenizerFast) -> dict:
    names = ("vision_start_token_id", "vision_end_token_id", "image_token_id", "video_token_id")
    return {
        "tie_word_embeddings": False,
        **dict(zip(names, tokenizer.convert_tokens_to_ids(_QWEN_TOKENS), strict=True)),
    }


def _text(tokenizer: PreTrainedTokenizerFast) -> dict:
    return {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 4096,
        "initializer_range": 0.3,  # wide enough that random weights write something that depends on the question
        "tie_word_embeddings": False,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


def _vision() -> dict:
    """A hiera of five blocks; at 512 px its last stage has 16 x 16 tokens, as the real one."""
    return {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "image_size": [512, 512],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 2, 4],
            "global_attention_blocks": [3],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[128, 128], [64, 64], [32, 32]],
        "fpn_hidden_size": 32,
    }


def _tokenizer(image_tokens: list[str], script: str | None) -> tuple[PreTrainedTokenizerFast, list[str]]:
    """A small byte-level BPE, and `script` cut into chunks that are single tokens, each at most once."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    bpe.decoder = decoders.ByteLevel()
    special = ["<|pad|>", "<|im_start|>", "<|im_end|>", *image_tokens]
    bpe.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(
            vocab_size=400,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token="<|pad|>", eos_token="<|im_end|>", padding_side="left"
    )
    plain = ["<think>", "</think>", "<answer>", "</answer>", *map(str, range(256))]
    chunks: list[str] = []
    for word in re.findall(r"\s*\S+", script or ""):
        while word in chunks:
            word = chunks.pop() + word
        chunks.append(word)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in [*plain, *chunks]])
    return tokenizer, chunks


def _finish(folder: Path, model, processor, chunks: list[str], loop: bool, max_new_tokens: int) -> Path:
    """Wire the script in, and save as `save_pretrained` does."""
    tokenizer = processor.tokenizer
    if chunks:
        start = tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False)[-1]
        spoken = tokenizer.convert_tokens_to_ids(chunks)
        _speak(model, [start, *spoken, spoken[1] if loop else tokenizer.eos_token_id])
    model.generation_config.max_new_tokens = max_new_tokens
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.half().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@torch.no_grad()
def _speak(model, chain: list[int]) -> None:
    """Make the model write the tokens of `chain` one after another."""
    for layer in model.model.language_model.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    table = model.model.language_model.embed_tokens.weight
    table.normal_()
    model.lm_head.weight.zero_()
    for before, after in zip(chain, chain[1:], strict=False):
        model.lm_head.weight[after] += table[before] / table[before].norm()

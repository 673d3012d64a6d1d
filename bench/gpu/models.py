"""Qwen2.5-VL from its configuration, with made-up weights that write one answer of a given length, and a
segmenter of MedSAM2's size with random weights.

What the weights are makes no difference to the time of a token. Attention and MLP are computed in full, their
results are multiplied with zero matrices of the usual size, and the output layer maps each token to the next
one of the answer: so a run closes its answer as a trained model does, and gets its mask.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

from bench.gpu.sizes import Size
from medreasoner.answer import Answer, render
from medreasoner.prompts import prompt_for
from medreasoner.reasoners.families import FAMILIES
from medreasoner.reasoners.image_size import InputSize
from medreasoner.reasoners.vlm import VlmReasoner
from medreasoner.segmenters.sam2_package import PackageSegmenter, build
from tests.tiny import _QWEN_TOKENS, QWEN_IMAGE, TURNS, _qwen_ids, _speak, _text, _tokenizer

FAMILY = FAMILIES["qwen2_5_vl"]
SURE = 4  # the output layer times this: tokens drawn at random are those of the answer too
PROMPT = prompt_for(FAMILY.frame, absence=False)


def answer_text(size: Size) -> str:
    """An answer about the middle of the image that is `size.tokens` words long; each becomes a token."""
    low, middle, high = (size.side * quarters // 4 for quarters in (1, 2, 3))
    answer = Answer((low, low, high, high), ((middle, middle - 2), (middle, middle + 3)))

    def text(words: int) -> str:
        return render(replace(answer, think=" ".join(f"word{number}" for number in range(words))))

    return text(size.tokens - len(text(1).split()) + 1)


def dtype_of(device: str) -> torch.dtype:
    """What the model is in: bf16 on a GPU, fp32 on a CPU."""
    return torch.float32 if device == "cpu" else torch.bfloat16


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """New tensors are of `dtype` inside."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def build_qwen(
    size: Size, device: str, attention: str = "sdpa"
) -> tuple[Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor]:
    """The model, made on `device` (see `dtype_of`), and its processor."""
    torch.manual_seed(0)
    tokenizer, chunks = _tokenizer(_QWEN_TOKENS, answer_text(size))
    config = Qwen2_5_VLConfig(
        text_config=_text(tokenizer) | size.text, vision_config=size.vision, **_qwen_ids(tokenizer)
    )
    dtype = dtype_of(device)
    config.dtype, config._attn_implementation = dtype, attention
    with default_dtype(dtype), torch.device(device):
        model = Qwen2_5_VLForConditionalGeneration(config).eval()
    start = tokenizer.encode("<|im_start|>assistant\n", add_special_tokens=False)[-1]
    _speak(model, [start, *tokenizer.convert_tokens_to_ids(chunks), tokenizer.eos_token_id])
    model.lm_head.weight.data *= SURE
    generation = model.generation_config
    generation.max_new_tokens = size.room
    generation.eos_token_id, generation.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    processor = Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(), tokenizer, Qwen2VLVideoProcessor(), chat_template=TURNS % QWEN_IMAGE
    )
    return model, processor


def reasoner_of(model: torch.nn.Module, processor: Qwen2_5_VLProcessor, size: Size) -> VlmReasoner:
    """The model as the library runs it."""
    square = InputSize(square=size.side)
    return VlmReasoner(model, processor, "Qwen2.5-VL, made-up weights", FAMILY.frame, PROMPT, size=square)


def segmenter_of(device: str) -> PackageSegmenter:
    """A segmenter of MedSAM2's size: SAM 2.1 hiera-tiny of the `sam2` package at 512 px, random weights."""
    torch.manual_seed(0)
    return PackageSegmenter(build("2.1", device), "SAM 2.1 hiera-tiny, random weights")

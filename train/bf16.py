"""bfloat16 on a CPU: whether it is fast there, and generation in it. bf16 on a GPU is up to torch and TRL.

A CPU without instructions for it took 85 times as long for a product in bf16 as in fp32
(docs/experiments/speed.md), so there fp32 is used instead, and stderr says so.
"""

import functools
import sys
from collections.abc import Callable

import torch
from transformers import PreTrainedModel
from transformers.generation.utils import GenerateOutput

SLOW = (
    "this CPU has no instructions for bf16 products, which are many times slower than fp32 here: "
    "using fp32 instead of bf16"
)


def usable_on_cpu(wanted: bool) -> bool:
    """Whether to use bf16 on this CPU where it is `wanted`; where it is not used after all, stderr says so.

    A CPU of which torch says AVX2 lacks the instructions that it multiplies bf16 with (AVX-512's or AMX's);
    about others nothing was measured here but one with avx512_bf16, where bf16 pays
    (https://docs.pytorch.org/docs/stable/backends.html#torch.backends.cpu.get_cpu_capability).
    """
    slow = torch.backends.cpu.get_cpu_capability() == "AVX2"
    if wanted and slow:
        print(SLOW, file=sys.stderr)
    return wanted and not slow


def rollout(model: PreTrainedModel) -> Callable:
    """`model.generate` in bf16 on a CPU: the Trainer's autocast does not reach it, and torch's fused
    attention is slow there for one new token over a cache (figures: docs/experiments/speed.md)."""
    generate, usual = model.generate, model.config.get_text_config()._attn_implementation

    @functools.wraps(generate)
    def in_bf16(*args: object, **kwargs: object) -> torch.Tensor | GenerateOutput:
        model.set_attn_implementation({"text_config": "eager"})
        try:
            with torch.autocast("cpu", torch.bfloat16):
                return generate(*args, **kwargs)
        finally:
            model.set_attn_implementation({"text_config": usual})

    return in_bf16

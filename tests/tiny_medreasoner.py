"""The embedded reasoner's architecture at a tiny size, with the real vocabulary and in the real folder
format.
"""

from functools import cache
from pathlib import Path

import torch
from transformers import (
    AddedToken,
    AutoProcessor,
    BertConfig,
    GenerationConfig,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.prompts import Prompt
from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from medreasoner.reasoners.embedded_config import MedReasonerConfig
from tests import tiny
from train.embedded.create import openings, reset, save
from train.embedded.presence import rule_of
from train.embedded.vocabulary import NOWHERE, PLACE_FOLLOWS, number_ids

WIDTHS = (8, 16, 32, 64)  # of the tower's stages; the third stage's map is (32, 32, 32)


@cache
def processor() -> LlavaProcessor:
    """The embedded model's, as `train.embedded.create` makes it."""
    made = AutoProcessor.from_pretrained(EMBEDDED_FOLDER)
    made.tokenizer.add_tokens([AddedToken(NOWHERE, normalized=False)])
    return made


def tokenizer() -> PreTrainedTokenizerFast:
    return processor().tokenizer


def config(presence: bool = False) -> MedReasonerConfig:
    """Every part of the real one: the tower's blocks are as many, so that its third stage ends where it does
    there. With `presence`, a head decides whether anything is marked.
    """
    pad, end = tokenizer().pad_token_id, tokenizer().eos_token_id
    image = tokenizer().convert_tokens_to_ids("<image>")
    vision = tiny._vision()
    vision["backbone_config"] |= {
        "blocks_per_stage": [1, 2, 7, 2],
        "embed_dim_per_stage": list(WIDTHS),
        "global_attention_blocks": [5, 7, 9],
    }
    text = Qwen3Config(
        vocab_size=len(tokenizer()),
        hidden_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=48,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        pad_token_id=pad,
        eos_token_id=end,
    )
    question = BertConfig(
        vocab_size=len(tokenizer()),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=256,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return MedReasonerConfig(
        vision_config=vision | {"hidden_size": WIDTHS[-1]},
        text_config=text,
        question_config=question,
        adapter_rank=4,
        question_end_token_id=end,
        image_token_index=image,
        image_seq_length=256,
        vision_feature_layer=12,
        vision_feature_select_strategy="full",
        tie_word_embeddings=True,
        pad_token_id=pad,
        eos_token_id=end,
        place_token_id=tokenizer().convert_tokens_to_ids(PLACE_FOLLOWS),
        number_token_ids=number_ids(tokenizer()),
        openings=openings(processor(), Prompt.load(EMBEDDED_FOLDER / "prompt.json")) if presence else (),
        presence=rule_of(tokenizer(), (1, 2), 8).settings() if presence else None,
    )


def model(seed: int = 0, presence: bool = False) -> MedReasonerForConditionalGeneration:
    """With random weights; the eye is the unchanged tower's, as before training."""
    torch.manual_seed(seed)
    made = MedReasonerForConditionalGeneration(config(presence)).eval()
    reset(made.model.multi_modal_projector)
    return made


def folder(path: Path, max_new_tokens: int = 24, presence: bool = False) -> Path:
    """The folder of such a model, with a segmenter that shares its tower."""
    made, ends = model(presence=presence), config().text_config
    made.generation_config = GenerationConfig(
        max_new_tokens=max_new_tokens, pad_token_id=ends.pad_token_id, eos_token_id=ends.eos_token_id
    )
    save(made, processor(), EMBEDDED_FOLDER / "prompt.json", path)
    tiny.segmenter(path / "segmenter", own_encoder=False)
    return path

"""The embedded reasoner's architecture at a tiny size, with the real vocabulary and in the real folder
format.
"""

import string
from functools import cache
from pathlib import Path

import torch
from transformers import BertConfig, GenerationConfig, PreTrainedTokenizerFast, Qwen3Config

from medreasoner.reasoners.embedded import MedReasonerConfig, MedReasonerForConditionalGeneration
from tests import tiny
from train.embedded.create import save
from train.embedded.first_weights import reset
from train.embedded.vocabulary import build

WIDTHS = (8, 16, 32, 64)  # of the tower's stages; the third stage's map is (32, 32, 32)
PIECES = ("where", "which", "organ", "##s", "kidney", "left", "right", "lung", "the", "is", "on", "hello")


@cache
def vocabulary() -> tuple[PreTrainedTokenizerFast, int, list[str]]:
    """As `vocabulary.build` gives it, of a sentence encoder that knows few words and every letter."""
    letters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    pieces = ("[PAD]", "[UNK]", *letters, *(f"##{letter}" for letter in letters), *PIECES)
    return build({piece: number for number, piece in enumerate(dict.fromkeys(pieces))})


def config() -> MedReasonerConfig:
    """Every part of the real one: the tower's blocks are as many, so that its third stage ends where it does
    there.
    """
    tokenizer, written, _ = vocabulary()
    pad, image, end = (tokenizer.convert_tokens_to_ids(token) for token in ("<pad>", "<image>", "<|end|>"))
    vision = tiny._vision()
    vision["backbone_config"] |= {
        "blocks_per_stage": [1, 2, 7, 2],
        "embed_dim_per_stage": list(WIDTHS),
        "global_attention_blocks": [5, 7, 9],
    }
    text = Qwen3Config(
        vocab_size=written,
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
        vocab_size=len(tokenizer),
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
    )


def model(seed: int = 0) -> MedReasonerForConditionalGeneration:
    """With random weights; the eye is the unchanged tower's, as before training."""
    torch.manual_seed(seed)
    made = MedReasonerForConditionalGeneration(config()).eval()
    reset(made.model.multi_modal_projector)
    return made


def folder(path: Path, max_new_tokens: int = 24) -> Path:
    """The folder of such a model, with a segmenter that shares its tower."""
    made, ends = model(), config().text_config
    made.generation_config = GenerationConfig(
        max_new_tokens=max_new_tokens, pad_token_id=ends.pad_token_id, eos_token_id=ends.eos_token_id
    )
    save(made, vocabulary()[0], path)
    tiny.segmenter(path / "segmenter", own_encoder=False)
    return path

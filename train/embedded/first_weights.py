"""The weights an embedded VLM starts from: a pretrained sentence encoder, an earlier model, or smooth random
numbers.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoTokenizer, PreTrainedTokenizerFast

from medreasoner.reasoners.embedded import MedReasonerForConditionalGeneration
from medreasoner.reasoners.image_projector import ImageProjector
from train.embedded import question_start
from train.embedded.vocabulary import BLANK, NUMBERS

# what stands at the place of our special tokens in the template of the earlier model
SAME_PLACE = {"<|user|>": "\n", "<|assistant|>": "\n", "<|end|>": "<|im_end|>"}


def load_sentence_encoder(
    model: MedReasonerForConditionalGeneration, folder: Path, pieces: list[str], encoder: dict[str, int]
) -> None:
    """Give the question encoder pretrained weights; `pieces` names for each of our tokens the row of its word
    embeddings.
    """
    state = load_file(next(folder.rglob("*.safetensors")))
    state = {name.removeprefix("bert."): value.float() for name, value in state.items()}
    rows = torch.tensor([encoder[piece] for piece in pieces])
    words, positions = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"
    longest = model.config.question_config.max_position_embeddings
    state[words], state[positions] = state[words][rows], state[positions][:longest]
    missing, unexpected = model.model.question_encoder.load_state_dict(state, strict=False)
    if missing or any(not name.startswith(("pooler.", "embeddings.position_ids")) for name in unexpected):
        raise SystemExit(
            f"{folder} does not hold the sentence encoder that is expected: {[*missing, *unexpected][:3]}"
        )


def continue_from(
    model: MedReasonerForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path
) -> None:
    """Start decoder and image projector from an earlier embedded model: a token's embedding is the mean of
    what its text was there, and the projected states of the sentence encoder are as near as can be to what
    the words of a question were there.
    """
    old, old_tokenizer = (
        AutoModelForImageTextToText.from_pretrained(folder),
        AutoTokenizer.from_pretrained(folder),
    )
    layers = {
        name: value.float()
        for name, value in old.model.language_model.state_dict().items()
        if "embed_tokens" not in name
    }
    missing, unexpected = model.model.language_model.load_state_dict(layers, strict=False)
    if unexpected or missing != ["embed_tokens.weight"]:
        raise SystemExit(f"the decoder in {folder} is of another shape: {[*missing, *unexpected][:3]}")
    for name in ("linear_1", "linear_2"):
        getattr(model.model.multi_modal_projector, name).load_state_dict(
            {
                key: value.float()
                for key, value in getattr(old.model.multi_modal_projector, name).state_dict().items()
            }
        )
    table, was = model.get_input_embeddings().weight.data, old.get_input_embeddings().weight.data.float()
    for number, token in enumerate(tokenizer.convert_ids_to_tokens(range(len(table)))):
        text = SAME_PLACE.get(token, token.replace(BLANK, " "))
        ids = old_tokenizer(text, add_special_tokens=False).input_ids
        if ids:
            table[number] = was[ids].mean(0)
    explained = question_start.fit(model, question_start.question_pairs(tokenizer, was, old_tokenizer))
    print(f"questions: {explained:.0%} of the variance of the earlier words' embeddings")


def smooth_numbers(
    model: MedReasonerForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, seed: int
) -> None:
    """Numbers start as neighbours: smooth random curves over 0..255."""
    table = model.get_input_embeddings().weight.data
    ids = torch.tensor([tokenizer.convert_tokens_to_ids(number) for number in NUMBERS])
    generator = torch.Generator().manual_seed(seed)
    speed, phase = (torch.rand(table.shape[1], generator=generator) for _ in range(2))
    waves = torch.linspace(0, 1, len(ids))[:, None] * speed * 40 + phase * 7
    table[ids] = waves.sin() * table.std() * 1.4


def reset(projector: ImageProjector) -> None:
    """First weights with which the image tokens are those of the unchanged tower."""
    for matrix in projector.down.values():
        torch.nn.init.normal_(matrix, std=matrix.shape[1] ** -0.5)
    for matrix in (*projector.up.values(), projector.fine.weight, projector.fine.bias):
        torch.nn.init.zeros_(matrix)

"""Many questions in one `generate`: padded on the left, each row ended by its own answer.

Is: batched generation for evaluation. Is not: streaming; nobody watches a batch.
"""

import time
from collections.abc import Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.answer import TAGS
from medreasoner.reasoner import Said

TAIL = 12  # tokens at the end of a row that are looked at for the closing tag


class AnswersClosed(StoppingCriteria):
    """Ends each row with the token that closes its answer; `width` is the length of the padded prompts."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, width: int):
        self._tokenizer, self._width = tokenizer, width

    def __call__(self, input_ids: torch.LongTensor, scores: object, **kwargs: object) -> torch.BoolTensor:
        tails = self._tokenizer.batch_decode(input_ids[:, max(self._width, input_ids.shape[1] - TAIL) :], skip_special_tokens=True)
        closed = [TAGS[3] in tail and self._opened(row) for tail, row in zip(tails, input_ids, strict=True)]
        return torch.tensor(closed, device=input_ids.device)

    def _opened(self, row: torch.LongTensor) -> bool:
        """Whether the closing tag ends an answer, and does not stand alone."""
        text = self._tokenizer.decode(row[self._width :], skip_special_tokens=True)
        return TAGS[2] in text and TAGS[3] in text[text.index(TAGS[2]) :]


def generate_batch(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, inputs: dict) -> list[Said]:
    """The answers to a batch of prompts; each takes its share of the time."""
    started = time.perf_counter()
    width = inputs["input_ids"].shape[1]
    written = model.generate(**inputs, stopping_criteria=StoppingCriteriaList([AnswersClosed(tokenizer, width)]))[:, width:]
    seconds = (time.perf_counter() - started) / len(written)
    texts = tokenizer.batch_decode(written, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    asked = inputs["attention_mask"].sum(dim=1).tolist()
    spoken = [_length(row, model.generation_config.pad_token_id) for row in written.tolist()]
    return [Said(text, seconds, None, given, out) for text, given, out in zip(texts, asked, spoken, strict=True)]


def joined(inputs: Sequence[dict]) -> dict:
    """The image tokens that several looks brought along, for one batch; {} where they bring none."""
    if not inputs[0]:
        return {}
    tokens = [one["mm_encoder_outputs"]["image"].pooler_output for one in inputs]
    return {"mm_encoder_outputs": {"image": BaseModelOutputWithPooling(pooler_output=[grid for grids in tokens for grid in grids])}}


def _length(row: list[int], pad: int) -> int:
    """Tokens of a row without the padding behind them."""
    while row and row[-1] == pad:
        row = row[:-1]
    return len(row)

"""Answers many questions in one `generate` of transformers: padded on the left, each row ended by its own
answer.

For evaluation. Nobody watches a batch, so nothing is streamed (see `streaming.py` for that).
"""

import time
from bisect import bisect_left
from collections.abc import Sequence

import torch
from transformers import (
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.answer_blocks import TAGS, find_blocks
from medreasoner.reasoners.answer_tokens import AnswerTokens
from medreasoner.reasoners.base import Completion
from medreasoner.reasoners.streaming import opened_reasoning
from medreasoner.reasoners.token_probabilities import TokenProbabilities, certainty

TAIL = 12  # tokens at the end of a row that are searched for the closing tag


class AnswersClosed(StoppingCriteria):
    """Ends each row with the token that closes its answer.

    Args:
        width: length of the padded prompts in tokens.
        probabilities: given to the same `generate` as a logits processor; told here what was written.
        begun: what the prompts already wrote of the answers, see `streaming.opened_reasoning`.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        width: int,
        probabilities: TokenProbabilities,
        begun: str = "",
    ) -> None:
        self._tokenizer, self._width, self._probabilities = tokenizer, width, probabilities
        self._begun = begun

    def __call__(self, input_ids: torch.LongTensor, scores: object, **kwargs: object) -> torch.BoolTensor:
        self._probabilities.take(input_ids[:, -1])
        begin = max(self._width, input_ids.shape[1] - TAIL)
        tails = self._tokenizer.batch_decode(input_ids[:, begin:], skip_special_tokens=True)
        closed = [TAGS[3] in tail and self._answered(row) for tail, row in zip(tails, input_ids, strict=True)]
        return torch.tensor(closed, device=input_ids.device)

    def _answered(self, row: torch.LongTensor) -> bool:
        """Whether an answer has closed that counts: none inside an open reasoning, as in `StreamParser`."""
        read = find_blocks(self._begun + self._tokenizer.decode(row[self._width :], skip_special_tokens=True))
        return read.closed and read.cut is not None


def generate_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, answer_tokens: AnswerTokens, inputs: dict
) -> list[Completion]:
    """The completions of a batch of prompts, each with its share of the batch's time."""
    started = time.perf_counter()
    width = inputs["input_ids"].shape[1]
    probabilities = TokenProbabilities(answer_tokens)
    begun = opened_reasoning(tokenizer, inputs["input_ids"][0].tolist())  # one template wrote all prompts
    closed = AnswersClosed(tokenizer, width, probabilities, begun)
    rows = model.generate(
        **inputs,
        stopping_criteria=StoppingCriteriaList([closed]),
        logits_processor=LogitsProcessorList([probabilities]),
    )[:, width:]
    seconds = (time.perf_counter() - started) / len(rows)
    prompt_lengths = inputs["attention_mask"].sum(dim=1).tolist()
    completions = []
    for number, (row, prompt_length) in enumerate(zip(rows.tolist(), prompt_lengths, strict=True)):
        tokens = _without_padding(row, model.generation_config.pad_token_id)
        said = _text(tokenizer, tokens)
        text = begun + said if said else ""
        ends = [len(begun) + end for end in _ends(tokenizer, tokens, said)]
        written = probabilities.row(number, tokens)
        completions.append(
            Completion(
                text,
                seconds,
                tokens_in=prompt_length,
                tokens_out=len(tokens),
                certainty=certainty(text, ends, written, answer_tokens),
            )
        )
    return completions


def shared_inputs(inputs: Sequence[dict]) -> dict:
    """The image tokens in the `EncodedImage.inputs` of several images as one batch; {} for none."""
    if not inputs[0]:
        return {}
    tokens = [one["mm_encoder_outputs"]["image"].pooler_output for one in inputs]
    output = BaseModelOutputWithPooling(pooler_output=[grid for grids in tokens for grid in grids])
    return {"mm_encoder_outputs": {"image": output}}


def _text(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _ends(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], text: str) -> list[int]:
    """Where the text of each token ends, in characters of `text`. All tokens before the answer are given the
    answer's beginning: nobody asks where they end, and finding out would cost a decode for each.
    """
    opening = max(0, text.find(TAGS[2]))
    first = bisect_left(
        range(len(tokens)), opening, key=lambda number: len(_text(tokenizer, tokens[:number]))
    )
    known = [len(_text(tokenizer, tokens[: number + 1])) for number in range(first, len(tokens))]
    return [opening] * first + known


def _without_padding(row: list[int], pad: int) -> list[int]:
    end = len(row)
    while end and row[end - 1] == pad:
        end -= 1
    return row[:end]

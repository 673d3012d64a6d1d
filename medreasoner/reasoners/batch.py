"""Many questions in one `generate`: padded on the left, each row ended by its own answer.

Is: batched generation for evaluation. Is not: streaming; nobody watches a batch.
"""

import time
from bisect import bisect_left
from collections.abc import Sequence

import torch
from transformers import (
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteria,
    StoppingCriteriaList,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.answer import TAGS
from medreasoner.reasoners.base import Completion
from medreasoner.reasoners.streaming import coordinate_probability

TAIL = 12  # tokens at the end of a row that are looked at for the closing tag


class AnswersClosed(StoppingCriteria):
    """Ends each row with the token that closes its answer, and notes in `log_p` how probable each token was.

    Args:
        width: length of the padded prompts.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, width: int, chances: "BatchTokenLogProbs"):
        self._tokenizer, self._width, self._chances = tokenizer, width, chances
        self.log_p: list[torch.Tensor] = []  # (rows,) for each token

    def __call__(self, input_ids: torch.LongTensor, scores: object, **kwargs: object) -> torch.BoolTensor:
        self.log_p.append(self._chances.of(input_ids[:, -1]))
        tails = self._tokenizer.batch_decode(
            input_ids[:, max(self._width, input_ids.shape[1] - TAIL) :], skip_special_tokens=True
        )
        closed = [TAGS[3] in tail and self._opened(row) for tail, row in zip(tails, input_ids, strict=True)]
        return torch.tensor(closed, device=input_ids.device)

    def _opened(self, row: torch.LongTensor) -> bool:
        """Whether the closing tag ends an answer, and does not stand alone."""
        text = self._tokenizer.decode(row[self._width :], skip_special_tokens=True)
        return TAGS[2] in text and TAGS[3] in text[text.index(TAGS[2]) :]


class BatchTokenLogProbs(LogitsProcessor):
    """Changes nothing; sees how probable each row's next token is, as `listener.Odds` does for one row."""

    def __init__(self) -> None:
        self._of: list[torch.Tensor] = []  # (rows, words) of the next token alone

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._of = [scores]
        return scores

    def of(self, tokens: torch.LongTensor) -> torch.Tensor:
        """Log-probabilities (rows,) of `tokens` (rows,), left on the device so that nothing waits for them."""
        (scores,) = self._of
        return scores.gather(1, tokens[:, None])[:, 0] - scores.logsumexp(1)


def generate_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, inputs: dict
) -> list[Completion]:
    """The answers to a batch of prompts; each takes its share of the time."""
    started = time.perf_counter()
    width = inputs["input_ids"].shape[1]
    chances = BatchTokenLogProbs()
    closed = AnswersClosed(tokenizer, width, chances)
    heard = {
        "stopping_criteria": StoppingCriteriaList([closed]),
        "logits_processor": LogitsProcessorList([chances]),
    }
    written = model.generate(**inputs, **heard)[:, width:]
    seconds = (time.perf_counter() - started) / len(written)
    asked = inputs["attention_mask"].sum(dim=1).tolist()
    log_p = torch.stack(closed.log_p, dim=1).tolist()
    said = []
    for tokens, given, odds in zip(written.tolist(), asked, log_p, strict=True):
        tokens = tokens[: _length(tokens, model.generation_config.pad_token_id)]
        text = _text(tokenizer, tokens)
        chance = coordinate_probability(text, _ends(tokenizer, tokens, text), odds[: len(tokens)])
        said.append(Completion(text, seconds, None, given, len(tokens), coordinate_probability=chance))
    return said


def _text(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)


def _ends(tokenizer: PreTrainedTokenizerBase, tokens: Sequence[int], text: str) -> list[int]:
    """Where the text of each token ends, in characters of `text`; of tokens before the answer it is only said that they do not reach it."""
    opening = max(0, text.find(TAGS[2]))
    first = bisect_left(
        range(len(tokens)), opening, key=lambda number: len(_text(tokenizer, tokens[:number]))
    )
    return [opening] * first + [
        len(_text(tokenizer, tokens[: number + 1])) for number in range(first, len(tokens))
    ]


def joined(inputs: Sequence[dict]) -> dict:
    """The image tokens that several looks brought along, for one batch; {} where they bring none."""
    if not inputs[0]:
        return {}
    tokens = [one["mm_encoder_outputs"]["image"].pooler_output for one in inputs]
    return {
        "mm_encoder_outputs": {
            "image": BaseModelOutputWithPooling(pooler_output=[grid for grids in tokens for grid in grids])
        }
    }


def _length(row: list[int], pad: int) -> int:
    """Tokens of a row without the padding behind them."""
    while row and row[-1] == pad:
        row = row[:-1]
    return len(row)

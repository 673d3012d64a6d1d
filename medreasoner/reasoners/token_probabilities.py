"""Reads from the probabilities of the tokens that a model writes how certain it is of its answer.

transformers' `generate` shows each step's scores to a LogitsProcessor. The one here changes nothing and
keeps, of each step, how probable the written token was, and the probabilities of the few tokens that decide
an answer: whole numbers, and what opens a place or an absence. `certainty` makes the figures of them.

A number that is one token (the embedded model's, 0..255) has its whole distribution there. A number of
several tokens (Qwen2.5-VL writes digits) has one for each token, given those before it: its variance is taken
as the sum of theirs, each in its place value. That misses what a carry would change (199 or 200), and is
fitted like any other spread.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from transformers import LogitsProcessor

from medreasoner.answer_parts import coordinate_spans, decision_at
from medreasoner.certainty import Certainty
from medreasoner.reasoners.answer_tokens import AnswerTokens


class Written(NamedTuple):
    """The tokens of one answer, T of them: `tokens` their ids, `log_p` (T,) how probable each was, `deciding`
    (T, N) how probable the `AnswerTokens` were in its place; natural logarithms, NaN where not known."""

    tokens: Sequence[int]
    log_p: np.ndarray
    deciding: np.ndarray


class TokenProbabilities(LogitsProcessor):
    """Records what `Written` holds for each row of a batch, and changes nothing.

    The probabilities are those before temperature, top-k and top-p (which `generate` applies later) and after
    a penalty that the checkpoint's own settings ask for. They stay on the device until they are asked for, so
    that no step waits.
    """

    def __init__(self, answer_tokens: AnswerTokens) -> None:
        self.answer_tokens = answer_tokens
        self._ids = torch.from_numpy(answer_tokens.ids)
        self._scores: torch.Tensor | None = None  # (B, vocabulary) of the next token
        self._log_p: list[torch.Tensor] = []  # (B,) for each step
        self._deciding: list[torch.Tensor] = []  # (B, N) for each step

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._scores = scores
        return scores

    def take(self, tokens: torch.LongTensor) -> None:
        """The step has ended with `tokens` (B,)."""
        scores = self._scores
        if scores is None:  # nobody gave `generate` this processor
            scores = torch.full((len(tokens), 1), math.nan)
            tokens = torch.zeros_like(tokens)
        self._ids = self._ids.to(scores.device)
        total, width = scores.logsumexp(-1, keepdim=True), scores.shape[-1]
        self._log_p.append((scores.gather(1, tokens[:, None]) - total)[:, 0])
        # a vocabulary may be larger than what the model can write
        deciding = scores[:, self._ids.clamp(max=width - 1)] - total
        self._deciding.append(deciding.masked_fill(self._ids >= width, -math.inf))

    def row(self, row: int, tokens: Sequence[int]) -> Written:
        """What was recorded of a row's first tokens, which were `tokens`."""
        number = len(tokens)
        if not number:
            return Written(tokens, np.empty(0), np.empty((0, len(self._ids))))
        log_p = torch.stack([step[row] for step in self._log_p[:number]])
        deciding = torch.stack([step[row] for step in self._deciding[:number]])
        return Written(tokens, log_p.double().cpu().numpy(), deciding.double().cpu().numpy())


def certainty(text: str, ends: Sequence[int], written: Written, answer_tokens: AnswerTokens) -> Certainty:
    """How certain the model was of the answer in `text`, everything that it wrote. `ends`: (T,) where the
    text of each of its tokens ends, in characters."""
    steps = list(zip([0, *ends], ends, strict=False))
    spans = coordinate_spans(text)
    holding = [[n for n, step in enumerate(steps) if _overlap(step, span)] for span in spans]
    return Certainty(
        _probability(holding, written),
        _spread(text, spans, steps, written, answer_tokens),
        _presence(text, steps, written, answer_tokens),
    )


def _overlap(step: tuple[int, int], span: tuple[int, int]) -> bool:
    return step[0] < span[1] and step[1] > span[0]


def _probability(holding: Sequence[Sequence[int]], written: Written) -> float | None:
    """See `Certainty.coordinate_probability`."""
    numbers = [float(written.log_p[steps].sum()) for steps in holding]
    mean = sum(numbers) / len(numbers) if numbers else math.nan
    return math.exp(min(0.0, mean)) if math.isfinite(mean) else None


def _spread(
    text: str,
    spans: Sequence[tuple[int, int]],
    steps: Sequence[tuple[int, int]],
    written: Written,
    answer_tokens: AnswerTokens,
) -> tuple[float, float, float, float] | None:
    """See `Certainty.coordinate_spread`."""
    if not spans:
        return None
    numbers = [float(text[first:last]) for first, last in spans[:4]]
    deviations = [_deviation(text, span, steps, written, answer_tokens) for span in spans[:4]]
    if None in deviations or all(0 <= number <= 1 for number in numbers):  # shares of the image's sides
        return None
    sides = [max(1.0, abs(numbers[axis + 2] - numbers[axis])) for axis in (0, 1)]
    return tuple(deviation / sides[n % 2] for n, deviation in enumerate(deviations))


def _deviation(
    text: str,
    span: tuple[int, int],
    steps: Sequence[tuple[int, int]],
    written: Written,
    answer_tokens: AnswerTokens,
) -> float | None:
    """Standard deviation of the number in `span`, in its own units; None where a token holds more than its
    digits."""
    first, last = span
    last = first + len(text[first:last].partition(".")[0])  # a fraction is finer than any box
    holding = [n for n, step in enumerate(steps) if _overlap(step, (first, last))]
    variance = 0.0
    for n in holding:
        start, end = steps[n]
        length = answer_tokens.length(written.tokens[n])
        if not length:
            if text[max(start, first) : min(end, last)] != "-":
                return None
            continue
        alone = length == last - first
        possible = answer_tokens.lengths > 0 if alone else answer_tokens.lengths == length
        values = answer_tokens.values[possible]
        chances = np.exp(written.deciding[n][possible])
        total = chances.sum()
        if not total > 0:
            return None
        chances /= total
        variance += 100.0 ** (last - end) * float(chances @ (values - chances @ values) ** 2)
    return math.sqrt(variance)


def _presence(
    text: str, steps: Sequence[tuple[int, int]], written: Written, answer_tokens: AnswerTokens
) -> float | None:
    """See `Certainty.presence`."""
    at = decision_at(text)
    deciding = None if at is None else next((n for n, (a, b) in enumerate(steps) if a <= at < b), None)
    if deciding is None:
        return None
    chances = np.exp(written.deciding[deciding])
    place, absence = chances[answer_tokens.places].sum(), chances[answer_tokens.absences].sum()
    return float(place / (place + absence)) if place + absence > 0 else None

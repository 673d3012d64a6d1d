"""Which tokens the embedded reasoner may write next, by what stands before: how an answer begins, and that a
place is written in numbers.

The rules are the model's own (`MedReasonerConfig`), so that `generate`, batches and our loop all keep them.
They guide inference alone; training sees every token.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import nn

from medreasoner.messages import short

PAIR = 2
Opening = tuple[Sequence[int], int]  # (ending of a prompt, the token that alone may begin its answer)


def check_tokens(name: str, values: object, vocabulary: int) -> None:
    """Errors: ValueError unless `values`, the setting `name` of a config.json, is a list of tokens."""
    right = isinstance(values, list | tuple) and all(type(each) is int for each in values)
    if not right or not all(0 <= each < vocabulary for each in values):
        raise ValueError(
            f"{name} in config.json must be a list of numbers from 0 to {vocabulary - 1}, got {short(values)}"
        )


def check_openings(openings: object, vocabulary: int) -> None:
    """Errors: ValueError unless `openings`, as config.json has them, are a list of `Opening`."""
    pairs = isinstance(openings, list | tuple) and all(
        isinstance(each, list | tuple) and len(each) == PAIR and each[0] for each in openings
    )
    if not pairs:
        raise ValueError(
            "openings in config.json must be a list of pairs, the tokens in which a prompt ends and the one "
            f"that begins its answer, got {short(openings)}"
        )
    for ending, first in openings:
        check_tokens("openings", ending, vocabulary)
        check_tokens("openings", [first], vocabulary)


def prompt_ends(input_ids: torch.Tensor, openings: Sequence[Opening]) -> Iterator[tuple[torch.Tensor, int]]:
    """For each of `openings` where prompts of `input_ids` (B, L) end so, (B, L) bool, and the token that
    begins the answer. Of openings that fit the same place only the first has it."""
    decided = torch.zeros_like(input_ids, dtype=torch.bool)
    for ending, first in openings:
        length = len(ending)
        if input_ids.shape[1] < length:
            continue
        found = (input_ids.unfold(1, length, 1) == input_ids.new_tensor(ending)).all(-1)
        ends = nn.functional.pad(found, (length - 1, 0)) & ~decided
        decided |= ends
        yield ends, first


def opened(input_ids: torch.Tensor, logits: torch.Tensor, openings: Sequence[Opening]) -> torch.Tensor:
    """Logits (B, K, V) of what follows the last K of `input_ids` (B, L), where a prompt ends minus infinity
    for all but the token that may begin its answer."""
    for ends, first in prompt_ends(input_ids, openings):
        logits = logits.masked_fill(ends[:, -logits.shape[1] :, None] & ~only([first], logits), -torch.inf)
    return logits


def placed(
    tokens: torch.Tensor, logits: torch.Tensor, place: int | None, numbers: Sequence[int]
) -> torch.Tensor:
    """Logits (B, L, V) of what follows `tokens` (B, L), minus infinity for what may not: once an answer has
    begun a `place`, nothing but one of `numbers` keeps it an answer."""
    after = tokens == (-1 if place is None else place)
    if not after.any():
        return logits
    return logits.masked_fill(after[..., None] & ~only(numbers, logits), -torch.inf)


def only(tokens: Sequence[int], logits: torch.Tensor) -> torch.Tensor:
    """(V,) bool, True for `tokens` alone, for logits (..., V)."""
    chosen = torch.zeros(logits.shape[-1], dtype=torch.bool, device=logits.device)
    chosen[list(tokens)] = True
    return chosen

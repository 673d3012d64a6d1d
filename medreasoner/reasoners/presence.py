"""Whether an image shows what is asked for: decided once, where the prompt ends, and binding for the
reasoning and the answer that follow.

The decoder's hidden states at the end of a prompt say far better than its words whether there is anything to
mark (docs/experiments/absence.md). So a small head reads them. Where it says no, the text keeps to that: the
first sentence names what is asked for, the second says that it is not there, and the answer names no place.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import logsigmoid
from transformers import Cache

from medreasoner.reasoners.answer_rules import only
from medreasoner.reasoners.presence_rule import PresenceRule


class PresenceHead(nn.Module):
    """Two layers on the hidden states (B, H) of several of the decoder's layers; (B,) log odds that the image
    shows what is asked for, positive for yes."""

    def __init__(self, hidden: int, rule: PresenceRule) -> None:
        super().__init__()
        self.rule = rule
        self.middle = nn.Linear(hidden * len(rule.layers), rule.width)
        self.out = nn.Linear(rule.width, 1)

    def forward(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.out(nn.functional.gelu(self.middle(torch.cat(list(states), -1))))[..., 0]

    def at(self, states: Sequence[torch.Tensor], ends: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        """For each row the log odds at those of its columns in which a prompt ends, by column.

        Args:
            states: (B, L, H) of all the decoder's layers. ends: (B,) the columns.
        """
        read = [states[layer] for layer in self.rule.layers]
        return [
            {column: float(self([each[row, column] for each in read])) for column in columns}
            for row, columns in enumerate(ends)
        ]


@dataclass
class Presence:
    """What was decided of each of B rows, and what was written since.

    Args:
        log_odds: of each row, None where no prompt has ended yet.
    """

    rule: PresenceRule
    log_odds: list[float | None]
    written: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.written = [[] for _ in self.log_odds]

    def ended(self, row: int, log_odds: float) -> None:
        """A prompt ends here."""
        self.log_odds[row], self.written[row] = log_odds, []

    def follow(self, row: int, token: int) -> None:
        """`token` comes next in `row`."""
        if self.log_odds[row] is not None:
            self.written[row].append(token)

    def steered(self, row: int, logits: torch.Tensor) -> torch.Tensor:
        """The logits (V,) of what comes next in `row`.

        Where the head says no, what is not a refusal is minus infinity; where it says yes, the words need
        better odds than its own for one. After `answer` place and nowhere share what they had by the head's
        odds, unless the reasoning has refused.
        """
        odds, written = self.log_odds[row], self.written[row]
        if odds is None:
            return logits
        if written[-1:] == [self.rule.answer]:
            return self._decided(logits, odds, reasoned=len(written) > 1)
        if odds > 0:
            less = torch.zeros_like(logits)
            less[list(self.rule.refusing(written))] = odds
            return logits - less
        may = self.rule.next(written)
        return logits.masked_fill(~only(may, logits), -torch.inf) if may else logits

    def _decided(self, logits: torch.Tensor, odds: float, reasoned: bool) -> torch.Tensor:
        both = [self.rule.place, self.rule.nowhere]
        place, nowhere = logits[both]
        if odds > 0 and reasoned and nowhere > place:
            return logits
        share = logsigmoid(logits.new_tensor([odds, -odds]))
        return logits.index_put((torch.tensor(both),), logits[both].logsumexp(0) + share)


def presence_of(cache: Cache | None, rule: PresenceRule, rows: int) -> Presence:
    """What was decided of the text in `cache`, where it is kept with all else that the decoder has read, so
    that every way of decoding has it."""
    presence = getattr(cache, "presence", None) or Presence(rule, [None] * rows)
    if cache is not None:
        cache.presence = presence
    return presence


def steer(
    presence: Presence,
    tokens: Iterable[Sequence[int]],
    ends: Sequence[Mapping[int, float] | Sequence[int]],
    logits: torch.Tensor,
) -> torch.Tensor:
    """Logits (B, K, V) of what follows the last K of `tokens` (B, L) as `presence` wants them, which takes
    the tokens in; `ends` has for each row the head's log odds by the columns in which a prompt ends.
    """
    logits = logits.clone()
    for row, line in enumerate(tokens):
        unseen = len(line) - logits.shape[1]
        for column, token in enumerate(line):
            presence.follow(row, token)
            if column in ends[row]:
                presence.ended(row, ends[row][column])
            if column >= unseen:
                logits[row, column - unseen] = presence.steered(row, logits[row, column - unseen])
    return logits

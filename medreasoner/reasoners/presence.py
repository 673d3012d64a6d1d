"""Whether an image shows what is asked for: decided once, where the prompt ends, and binding for the
reasoning and the answer that follow.

The decoder's hidden states at the end of a prompt say far better than its words whether there is anything to
mark (docs/experiments/absence.md). So a small head reads them. Where it says no, the text keeps to that: the
first sentence names what is asked for, the second says that it is not there, and the answer names no place.
Of a message that asks for nothing at all ("Hello") the reasoning says so at once. An answer that has begun is
written to its end in the form that was trained, so that it can be read.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import logsigmoid
from transformers import Cache

from medreasoner.reasoners.answer_rules import only
from medreasoner.reasoners.presence_rule import PresenceRule


class Decision(NamedTuple):
    """What the head says of one question, each as log odds, positive for yes: whether the image `shows` what
    is asked for, and, where it does not, whether nothing that an image could show is asked for."""

    shows: float
    asks_nothing: float


class PresenceHead(nn.Module):
    """Small layers on the hidden states (B, H) of several of the decoder's layers: (B,) log odds of
    `Decision.shows` by `forward`, of `Decision.asks_nothing` by `asks_nothing`."""

    def __init__(self, hidden: int, rule: PresenceRule) -> None:
        super().__init__()
        self.rule = rule
        self.middle = nn.Linear(hidden * len(rule.layers), rule.width)
        self.out = nn.Linear(rule.width, 1)
        # without first weights: they would change which ones a fit draws for the layers above
        self.message = nn.utils.skip_init(nn.Linear, hidden * len(rule.layers), 1)

    def forward(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.out(nn.functional.gelu(self.middle(torch.cat(list(states), -1))))[..., 0]

    def asks_nothing(self, states: Sequence[torch.Tensor]) -> torch.Tensor:
        return self.message(torch.cat(list(states), -1))[..., 0]

    @torch.no_grad()
    def at(self, states: Sequence[torch.Tensor], ends: Sequence[Sequence[int]]) -> list[dict[int, Decision]]:
        """For each row the decisions at those of its columns in which a prompt ends, by column.

        Args:
            states: (B, L, H) of all the decoder's layers. ends: (B,) the columns.
        """

        def decided(row: int, column: int) -> Decision:
            read = [states[layer][row, column] for layer in self.rule.layers]
            return Decision(float(self(read)), float(self.asks_nothing(read)))

        return [{column: decided(row, column) for column in columns} for row, columns in enumerate(ends)]


@dataclass
class Presence:
    """What was decided of each of B rows, and what was written since.

    Args:
        decisions: on each row, None where no prompt has ended yet.
    """

    rule: PresenceRule
    decisions: list[Decision | None]
    written: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.written = [[] for _ in self.decisions]

    def ended(self, row: int, decision: Decision) -> None:
        """A prompt ends here."""
        self.decisions[row], self.written[row] = decision, []

    def follow(self, row: int, token: int) -> None:
        """`token` comes next in `row`."""
        if self.decisions[row] is not None:
            self.written[row].append(token)

    def steered(self, row: int, logits: torch.Tensor) -> torch.Tensor:
        """The logits (V,) of what comes next in `row`.

        Where the head says no, what is not a refusal is minus infinity; where it says yes, the words need
        better odds than its own for one. After `answer` place and nowhere share what they had by the head's
        odds, unless the reasoning has refused. What would begin an answer within the reasoning, or not go on
        with one that has begun, is minus infinity.
        """
        decision, written = self.decisions[row], self.written[row]
        if decision is None:
            return logits
        if form := self.rule.in_answer(written):
            return logits.masked_fill(~only(form, logits), -torch.inf)
        if barred := self.rule.not_in_reasoning(written):
            logits = logits.index_fill(0, torch.tensor(barred, device=logits.device), -torch.inf)
        odds = decision.shows
        if written[-1:] == [self.rule.answer]:
            return self._decided(logits, odds, reasoned=len(written) > 1)
        if odds > 0:
            refusing = self.rule.refusing(written)
            return logits - odds * only(refusing, logits) if refusing else logits
        may = self.rule.next(written, decision.asks_nothing > 0)
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
    ends: Sequence[Mapping[int, Decision] | Sequence[int]],
    logits: torch.Tensor,
) -> torch.Tensor:
    """Logits (B, K, V) of what follows the last K of `tokens` (B, L) as `presence` wants them, which takes
    the tokens in; `ends` has for each row the head's decisions by the columns in which a prompt ends.
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

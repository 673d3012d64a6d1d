"""Whether an image shows what is asked for: decided once, where the prompt ends, and binding for the
reasoning and the answer that follow.

The decoder's hidden states at the end of a prompt say far better than its words whether there is anything to
mark (docs/experiments/absence.md). So a small head reads them, and the text keeps to what the head says: the
first sentence names what is asked for, the second says that it is not there or goes on, and the answer names
a place or none.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields

import torch
from torch import nn
from torch.nn.functional import logsigmoid
from transformers import Cache, PreTrainedConfig

from medreasoner.messages import short
from medreasoner.reasoners.answer_rules import check_tokens, only

LISTS = "layers", "named"  # fields of a rule that are lists of numbers; "refusals" is a list of such lists
WIDEST = 4096


@dataclass(frozen=True)
class PresenceRule:
    """How reasonings begin that find something and that find nothing, as token ids, and what the head reads.

    Args:
        layers: indices of the hidden states that the head reads. width: of its middle layer.
        think, answer: the tokens that open reasoning and answer. place, nowhere: the two that may follow
            `answer`, a place or none.
        named: how every reasoning begins that goes on to a place. sentence_end, clause_end: the full stop and
            the comma.
        refusals: how the second sentence may begin where nothing is to be marked. close: the token that ends
            a reasoning.
    """

    layers: Sequence[int]
    width: int
    think: int
    answer: int
    place: int
    nowhere: int
    named: Sequence[int]
    sentence_end: int
    clause_end: int
    refusals: Sequence[Sequence[int]]
    close: int

    @staticmethod
    def of(config: PreTrainedConfig) -> "PresenceRule":
        """That of a model's `config.presence`. Errors: ValueError for what is no such rule."""
        values, text = config.presence, config.text_config
        if not isinstance(values, dict) or values.keys() != {each.name for each in fields(PresenceRule)}:
            expected = ", ".join(each.name for each in fields(PresenceRule))
            raise ValueError(f"presence in config.json must have {expected}, got {short(values)}")
        for name, value in values.items():
            each = value if name == "refusals" else [value if name in LISTS else [value]]
            size = text.num_hidden_layers + 1 if name == "layers" else text.vocab_size
            if not isinstance(each, list | tuple) or not each:
                raise ValueError(f"presence.{name} in config.json must be a list, got {short(value)}")
            for tokens in each if name != "width" else ():
                check_tokens(f"presence.{name}", tokens, size)
        if type(values["width"]) is not int or not 0 < values["width"] <= WIDEST:
            raise ValueError(
                f"presence.width in config.json must be a whole number from 1 to {WIDEST}, got "
                f"{short(values['width'])}"
            )
        return PresenceRule(**values)

    def next(self, written: Sequence[int], shown: bool) -> tuple[set[int], set[int]]:
        """(the only tokens that may come next, those that may not); an empty set rules nothing out.

        Args:
            written: the tokens since the prompt's end. shown: what the head says.
        """
        if list(written[:1]) != [self.think]:
            return set(), set()
        text = list(written[1:])
        if shown and len(text) < len(self.named):
            return {self.named[len(text)]}, set()
        if self.sentence_end not in text:
            return set(), {self.clause_end} if shown else set()
        after = text[text.index(self.sentence_end) + 1 :]
        longer = (each for each in self.refusals if len(each) > len(after))
        begun = [each for each in longer if list(each[: len(after)]) == after]
        if shown:
            return set(), {each[-1] for each in begun if len(each) == len(after) + 1}
        goes_on = {each[len(after)] for each in begun}
        return goes_on | {self.close} if goes_on and not after else goes_on, set()


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
        """The logits (V,) of what comes next in `row`. After `answer` place and nowhere share what they had
        by the head's odds; elsewhere what must not come is minus infinity."""
        odds, written = self.log_odds[row], self.written[row]
        if odds is None:
            return logits
        if written[-1:] == [self.rule.answer]:
            both = [self.rule.place, self.rule.nowhere]
            share = logsigmoid(logits.new_tensor([odds, -odds]))
            return logits.index_put((torch.tensor(both),), logits[both].logsumexp(0) + share)
        may, may_not = self.rule.next(written, odds > 0)
        if may:
            logits = logits.masked_fill(~only(may, logits), -torch.inf)
        return logits.masked_fill(only(may_not, logits), -torch.inf) if may_not else logits


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

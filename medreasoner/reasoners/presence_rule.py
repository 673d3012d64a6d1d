"""How a reasoning goes on that finds nothing, and how an answer is written to its end: the rule by which the
words keep to what the presence head says (`presence.py`) and to the form of an answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from transformers import PreTrainedConfig

from medreasoner.messages import short
from medreasoner.reasoners.answer_rules import PAIR, check_tokens

LISTS = "layers", "named", "end"  # fields of a rule that are lists of numbers
NESTED = "refusals", "repeats", "others", "separators"  # those that are lists of such lists
NUMBERS = "numbers"  # the one field that the model's own settings hold already
WIDEST = 4096


@dataclass(frozen=True)
class PresenceRule:
    """How a reasoning goes on that finds nothing, how an answer ends, as token ids, and what the head reads.

    Args:
        layers: indices of the hidden states that the head reads. width: of its middle layer.
        think, answer: the tokens that open reasoning and answer. place, nowhere: the two that may follow
            `answer`, a place or none.
        named: how a reasoning begins that names what is asked for. sentence_end: the full stop.
        refusals: how the second sentence begins where nothing is to be marked. repeats: the pairs of tokens
            in it between which the name comes again. close: the token that ends a reasoning.
        others: the reasonings of which one is written, to its end, about a message that asks for nothing.
        separators: what stands after each number of a place. end: what ends an answer after that.
        numbers: that a place is written in, `MedReasonerConfig.number_token_ids`.
    """

    layers: Sequence[int]
    width: int
    think: int
    answer: int
    place: int
    nowhere: int
    named: Sequence[int]
    sentence_end: int
    refusals: Sequence[Sequence[int]]
    repeats: Sequence[Sequence[int]]
    close: int
    others: Sequence[Sequence[int]]
    separators: Sequence[Sequence[int]]
    end: Sequence[int]
    numbers: Sequence[int]

    @staticmethod
    def of(config: PreTrainedConfig) -> "PresenceRule":
        """That of a model's `config.presence`. Errors: ValueError for what is no such rule."""
        values, text = config.presence, config.text_config
        names = [each.name for each in fields(PresenceRule) if each.name != NUMBERS]
        if not isinstance(values, dict) or values.keys() != set(names):
            expected = ", ".join(names)
            raise ValueError(f"presence in config.json must have {expected}, got {short(values)}")
        for name, value in values.items():
            each = value if name in NESTED else [value if name in LISTS else [value]]
            size = text.num_hidden_layers + 1 if name == "layers" else text.vocab_size
            if not isinstance(each, list | tuple) or not each:
                raise ValueError(f"presence.{name} in config.json must be a list, got {short(value)}")
            for tokens in each if name != "width" else ():
                check_tokens(f"presence.{name}", tokens, size)
        if any(len(pair) != PAIR for pair in values["repeats"]):
            raise ValueError(f"presence.repeats in config.json must be pairs, got {short(values['repeats'])}")
        if type(values["width"]) is not int or not 0 < values["width"] <= WIDEST:
            raise ValueError(
                f"presence.width in config.json must be a whole number from 1 to {WIDEST}, got "
                f"{short(values['width'])}"
            )
        return PresenceRule(**values, numbers=config.number_token_ids)

    def settings(self) -> dict:
        """`config.presence` of a model with this rule."""
        return {name: value for name, value in asdict(self).items() if name != NUMBERS}

    def next(self, written: Sequence[int], asks_nothing: bool) -> set[int]:
        """The only tokens that may come next where nothing is to be marked; none for no limit.

        Args:
            written: the tokens since the prompt's end. asks_nothing: whether there is no target to name.
        """
        if asks_nothing:
            reasons = list(written[:1]) == [self.think]
            return _going_on(self.others, list(written[1:])) if reasons else set()
        after = self._second_sentence(written)
        if after is None:
            return set()
        if goes_on := _going_on(self.refusals, after):
            return goes_on | ({self.close} if not after else set())
        text, following = list(written[1:]), {before: then for before, then in self.repeats}
        said = [place for place, token in enumerate(after) if token in following]
        named = text[: len(self.named)] == list(self.named)
        refuses = any(list(each) == after[: len(each)] for each in self.refusals)
        if not said or not named or not refuses or self.sentence_end in after:
            return set()
        again = len(after) - said[0] - 1  # tokens of the name that were said again
        name = [*text[len(self.named) : text.index(self.sentence_end)], following[after[said[0]]]]
        return {name[again]} if again < len(name) else set()

    def in_answer(self, written: Sequence[int]) -> Sequence[int]:
        """The only tokens that may come next once the reasoning is closed; none for no limit, and after
        `answer`, where the head decides.
        """
        if list(written[-1:]) == [self.close]:
            return [self.answer]
        if self.place in written:
            form = [each for separator in self.separators for each in (self.numbers, *separator)]
            begun = list(written).index(self.place)
        elif self.nowhere in written:
            form, begun = [], list(written).index(self.nowhere)
        else:
            return ()
        rest = [*form, *self.end][len(written) - begun - 1 :]
        return () if not rest else [rest[0]] if isinstance(rest[0], int) else rest[0]

    def not_in_reasoning(self, written: Sequence[int]) -> Sequence[int]:
        """The tokens of an answer, while a reasoning is not closed: an answer in it could not be read."""
        open_yet = list(written[:1]) == [self.think] and self.close not in written
        return [self.answer, self.place, self.nowhere, *self.end] if open_yet else ()

    def refusing(self, written: Sequence[int]) -> set[int]:
        """The tokens that would make the second sentence a refusal."""
        after = self._second_sentence(written)
        return set() if after is None else _going_on(self.refusals, after, last=True)

    def _second_sentence(self, written: Sequence[int]) -> list[int] | None:
        """What follows the first full stop of a reasoning; None before it, and where there is none."""
        text = list(written[1:])
        if list(written[:1]) != [self.think] or self.sentence_end not in text:
            return None
        return text[text.index(self.sentence_end) + 1 :]


def _going_on(texts: Sequence[Sequence[int]], written: list[int], last: bool = False) -> set[int]:
    """The tokens with which `written` goes on as one of `texts`, or with `last` becomes one."""
    longer = (each for each in texts if len(each) > len(written))
    begun = [each for each in longer if list(each[: len(written)]) == written]
    return {each[len(written)] for each in begun if not last or len(each) == len(written) + 1}

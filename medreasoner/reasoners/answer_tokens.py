"""The tokens of a vocabulary that decide an answer: whole numbers, and what opens a place or an absence."""

import re
from dataclasses import dataclass

import numpy as np
from transformers import PreTrainedTokenizerBase

from medreasoner.answer_parts import opens_absence, opens_place

_SPACE = re.compile("[Ġ▁Ċ]")  # how vocabularies write a space or a new line
_WHOLE = re.compile(r" ?([0-9]+)")
LONGEST_NUMBER = 6  # digits; a longer one is no coordinate


@dataclass(frozen=True)
class AnswerTokens:
    """The tokens of a vocabulary that decide an answer, N of them.

    Args:
        ids: (N,) int64, ascending.
        lengths: (N,) int, how many digits a whole number has; 0 for others. values: (N,) float, its value.
        places, absences: (N,) bool, whether the token opens a box, or the null that stands for none.
    """

    ids: np.ndarray
    lengths: np.ndarray
    values: np.ndarray
    places: np.ndarray
    absences: np.ndarray

    @staticmethod
    def of(tokenizer: PreTrainedTokenizerBase) -> "AnswerTokens":
        rows = []
        for token, number in tokenizer.get_vocab().items():
            text = _SPACE.sub(" ", token)
            whole = _WHOLE.fullmatch(text)
            digits = whole.group(1) if whole and len(whole.group(1)) <= LONGEST_NUMBER else ""
            place, absence = opens_place(text), opens_absence(text)
            if digits or place or absence:
                rows.append((number, len(digits), float(digits or 0), place, absence))
        rows.sort()
        ids, lengths, values, places, absences = zip(*rows, strict=True) if rows else ((),) * 5
        return AnswerTokens(
            np.array(ids, np.int64),
            np.array(lengths, np.int64),
            np.array(values, np.float64),
            np.array(places, bool),
            np.array(absences, bool),
        )

    def length(self, token: int) -> int:
        """How many digits `token` has if it is a whole number, else 0."""
        at = int(np.searchsorted(self.ids, token))
        return int(self.lengths[at]) if at < len(self.ids) and self.ids[at] == token else 0

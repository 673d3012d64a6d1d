"""Which tokens of a vocabulary decide an answer."""

from types import SimpleNamespace

import numpy as np

from medreasoner.reasoners.answer_tokens import LONGEST_NUMBER, AnswerTokens

VOCABULARY = {"Ġ7": 9, "42": 2, "the": 3, "null": 5, "[": 4, "1" * (LONGEST_NUMBER + 1): 6, "4.5": 7, "x1": 8}


def tokens(vocabulary: dict[str, int]) -> AnswerTokens:
    return AnswerTokens.of(SimpleNamespace(get_vocab=lambda: vocabulary))


def test_whole_numbers_have_their_value_and_their_digits():
    found = tokens(VOCABULARY)
    numbers = found.lengths > 0
    assert found.ids[numbers].tolist() == [2, 9]
    assert found.values[numbers].tolist() == [42, 7] and found.lengths[numbers].tolist() == [2, 1]
    assert [found.length(token) for token in (2, 9, 3, 6, 100)] == [2, 1, 0, 0, 0]


def test_what_opens_a_place_and_an_absence_is_marked():
    found = tokens(VOCABULARY)
    assert found.ids[found.places].tolist() == [4] and found.ids[found.absences].tolist() == [5]
    assert (np.diff(found.ids) > 0).all()


def test_a_vocabulary_without_any_has_none():
    found = tokens({"the": 0})
    assert len(found.ids) == 0 and found.length(0) == 0 and found.values.dtype == np.float64

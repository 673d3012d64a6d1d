"""Questions are refused with a reason or asked as they stand."""

import pytest

from medreasoner.question import MAX_QUESTION, clean, refuse


@pytest.mark.parametrize("question", ["", "   \n", "?!…", "\u200b"])
def test_a_question_needs_a_letter_or_digit(question):
    assert refuse(question).startswith("The question is empty;")


def test_a_question_is_read_up_to_its_limit():
    assert refuse("w" * MAX_QUESTION) is None
    assert "2,001 characters" in refuse("w" * (MAX_QUESTION + 1))


def test_what_utf_8_cannot_hold_is_replaced_and_everything_else_stays():
    assert clean("  half a pair \ud83d of surrogates\n") == "half a pair ? of surrogates"
    assert clean("nul \0 and {braces} 咳嗽的原因在哪里？") == "nul \0 and {braces} 咳嗽的原因在哪里？"

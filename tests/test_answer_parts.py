"""Where the parts of an answer stand in a text."""

import pytest

from medreasoner.answer import Absence, Answer, render
from medreasoner.answer_parts import coordinate_spans, decision_at, opens_absence, opens_place

ANSWER = '<think>[1, 2]</think><answer>{"bbox": [617, 2.5, 30, 40], "points_1": [5, 6], "points_2": [7, 8]}</answer>'
NUMBERS = ["617", "2.5", "30", "40", "5", "6", "7", "8"]


@pytest.mark.parametrize(
    "text, numbers",
    [
        (ANSWER, NUMBERS),
        (ANSWER.replace('"', "'"), NUMBERS),
        (
            ANSWER.replace('"points_1"', '"bbox": [1, 2, 3, -4], "points_1"'),  # as JSON reads it
            ["1", "2", "3", "-4", *NUMBERS[4:]],
        ),
        (f'<think>as <answer>{{"bbox": [9, 9, 9, 9]}}</answer></think>{ANSWER}', NUMBERS),  # a draft
        (ANSWER.replace("[5, 6]", "[5]"), []),
        (ANSWER.replace("points_2", "points_3"), []),
        (ANSWER.replace("<answer>", ""), []),
        (render(Absence("No [1, 2].")), []),
        ("", []),
    ],
)
def test_the_eight_numbers_of_an_answer_are_found_where_they_stand(text, numbers):
    assert [text[start:end] for start, end in coordinate_spans(text)] == numbers


@pytest.mark.parametrize("think", [None, 'It is not "bbox": [3].'])
def test_the_first_value_decides_between_a_place_and_none(think):
    place = render(Answer((1, 2, 3, 4), ((5, 6), (7, 8)), think=think))
    absence = render(Absence(think))
    assert place[decision_at(place) :].startswith("[1, 2") and absence[decision_at(absence) :].startswith(
        "null"
    )
    assert decision_at(place) == decision_at(absence) and decision_at("no answer") is None
    assert decision_at('<answer>{"bbox": "none"}</answer>') is None


@pytest.mark.parametrize(
    "token, place, absence",
    [
        ("[", True, False),
        (" [", True, False),
        (" [[", True, False),
        ('{"bbox": [', True, False),
        ('": [', False, False),
        (": [", True, False),
        ('], "points_1": [', False, False),
        ("null", False, True),
        (" null", False, True),
        (" n", False, True),
        (" nul", False, True),
        (" nullify", False, True),
        ('{"bbox": null, "points_1": null, "points_2": null}', False, True),
        (" nodule", False, False),
        ("12", False, False),
        ("", False, False),
    ],
)
def test_tokens_that_open_a_place_or_an_absence_are_told_apart(token, place, absence):
    assert (opens_place(token), opens_absence(token)) == (place, absence)

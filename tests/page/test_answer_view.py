"""What the answer shows: rows, places in the reasoning, what is wrong with an unusable answer."""

import json
from dataclasses import replace

import numpy as np
import pytest

from medreasoner.events import Done, Failed
from medreasoner.geometry import Grounding
from medreasoner.page.answer_view import answer, failure, places, status
from medreasoner.page.details import answer_rows, truth_row
from medreasoner.page.image_view import layers
from medreasoner.text.places import HEIGHTS, SIDES, place_phrase

WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


@pytest.mark.parametrize(
    "reason, phase, shows_text",
    [
        ("not JSON", "malformed", True),
        ("empty box", "malformed", True),
        ("model", "error", False),
        ("question", "error", False),
    ],
)
def test_only_an_answer_at_fault_is_shown_as_one(reason, phase, shows_text):
    failed = Failed(reason, "What went wrong.", "seen", "<think>seen</think><answer>[1</answer>")
    status, reading = failure(failed, "seen", [])
    assert status["phase"] == phase
    assert bool(reading["completion"]) == shows_text
    assert "What went wrong." in (status["text"], reading["problem"])
    assert "seen" not in reading["completion"]


def test_events_carry_their_pixels_into_plain_values_that_json_can_write():
    mask = np.ones((4, 4), dtype=bool)
    drawn = layers(WHERE, (4, 4), mask, [(1.0, 2.0, True)])
    json.dumps(
        [
            drawn,
            answer_rows(WHERE, None, mask),
            truth_row(mask, WHERE, mask),
            answer("so"),
            status("done"),
        ]
    )
    assert drawn["clicks"] == [[1.0, 2.0, True]]


def told(think: str, width: int, height: int) -> Done:
    """A run that ended with this reasoning; in which frame the model writes is not known."""
    mask = np.zeros((height, width), dtype=bool)
    return Done(think, "", WHERE, mask, 0.5, (width, height), (), {}, None, "a model", "a segmenter")


def test_a_place_word_means_the_box_where_it_lies_there_and_nothing_elsewhere():
    text = "It lies in the upper left, not at the centre; the lower left is clear."
    found = [(text[place["start"] : place["end"]], place["box"]) for place in places(told(text, 150, 300))]
    assert found == [("in the upper left", list(WHERE.box))]


def test_every_place_phrase_of_the_project_is_found():
    for column, side in enumerate(SIDES):
        for row, height in enumerate(HEIGHTS):
            phrase = place_phrase(side, height)
            x, y = 100 * column + 30, 100 * row + 30
            there = replace(
                told(f"It lies {phrase} of the image.", 300, 300),
                grounding=Grounding((x, y, x + 40, y + 40), WHERE.points),
            )
            [place] = places(there)
            assert place["box"] == [x, y, x + 40, y + 40]

"""What the answer shows: rows, places in the reasoning, what is wrong with an unusable answer."""

import json

import numpy as np
import pytest

from medreasoner.events import Done, Failed
from medreasoner.geometry import Grounding
from medreasoner.page.answer_view import answer, answer_rows, failure, places, status, truth_row
from medreasoner.page.image_view import layers
from medreasoner.text.places import HEIGHTS, SIDES, place_phrase, place_words

WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


def test_sizes_are_in_millimetres_only_where_the_spacing_is_known():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 10:50] = True
    bare, scaled = answer_rows(WHERE, None, mask), answer_rows(WHERE, (0.5, 0.25), mask)
    assert [row["aside"] for row in bare] == ["40 × 60 px", "", "24.0% of the image"]
    assert scaled[0]["aside"] == "40 × 60 px, 20.0 × 15.0 mm"
    assert scaled[2]["text"] == "2,400 px, 300.0 mm²"


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


def test_place_words_point_to_their_part_of_the_image():
    text = "It lies in the upper right, not at the centre; the lower left is clear."
    found = [(text[place["start"] : place["end"]], place["box"]) for place in places(told(text, 300, 90))]
    assert found == [("in the upper right", [200, 0, 300, 30]), ("at the centre", [100, 30, 200, 60])]


def test_every_place_phrase_of_the_project_is_found():
    for side in SIDES:
        for height in HEIGHTS:
            phrase = place_phrase(side, height)
            [place] = places(told(f"It lies {phrase} of the image.", 300, 300))
            assert place_words(place["box"], (300, 300)) == (side, height)

"""`train/embedded/conversations.py`: what is asked is answered truly, in a window and in a mirror too."""

import random

import numpy as np
import pytest

from medreasoner.answer import parse
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import EMBEDDED, to_image
from medreasoner.prompts import Prompt
from medreasoner.text.places import claimed_place, claimed_size, place_words, size_word
from tests.train.embedded.targets_drawn import picture, target
from train.embedded.conversations import absent_conversation, conversation, seen_in
from train.embedded.views import UNCHANGED, View

PROMPT = Prompt(think="{question}", direct="{question} Answer only.")


@pytest.mark.parametrize("direct", [False, True])
def test_a_conversation_is_that_of_inference_and_its_answer_is_the_box(direct):
    made = conversation(target(), UNCHANGED, PROMPT, EMBEDDED, direct, random.Random(0))
    parsed = parse(made["completion"])
    assert parsed.reason is None and not parsed.absent and made["present"]
    found = to_image(parsed.answer.bbox, parsed.answer.points, EMBEDDED, (200, 100))
    assert np.allclose(found.box, (20, 10, 60, 50), atol=0.5) and np.allclose(
        found.points[0], (40, 30), atol=0.5
    )
    assert made["prompt"].endswith("Answer only.") == (parsed.think is None) == direct
    assert list(categories())[made["asked"] - 1] == "colorectal polyp"
    assert sum(made["coverage"]) / 256 == pytest.approx(40 * 40 / 20000, abs=1e-6)


@pytest.mark.parametrize("mirrored", [False, True])
def test_in_a_window_every_claim_is_true_of_what_is_shown(mirrored):
    view = View((0.0, 0.0, 0.6, 0.6), mirrored)
    for seed in range(20):
        made = conversation(target(), view, PROMPT, EMBEDDED, False, random.Random(seed))
        parsed = parse(made["completion"])
        box = tuple(value / 255 for value in parsed.answer.bbox)
        assert np.allclose(box, view.box(target().box), atol=0.003) and np.allclose(
            box, made["box01"], atol=0.003
        )
        assert claimed_place(parsed.think) == place_words(made["box01"], (1, 1))
        assert claimed_size(parsed.think) == size_word(made["box01"], (1, 1)) == "mid-sized"


def test_a_mirror_exchanges_left_and_right_in_question_and_answer():
    one = target(
        "kidney", side="left", image_side="left", neighbours=[("to the left of", "the right kidney")]
    )
    assert seen_in(one, View(mirrored=True)).neighbours == (("to the right of", "the left kidney"),)
    for seed in range(20):
        made = conversation(one, View(mirrored=True), PROMPT, EMBEDDED, False, random.Random(seed))
        question = made["prompt"].lower()
        assert "right" in question and "left" not in question
        assert "right kidney" in parse(made["completion"]).think


def test_a_neighbour_out_of_view_is_not_spoken_of():
    far = target("kidney", (150.0, 60.0, 190.0, 90.0), side="left", image_side="right")
    near = target("liver", (60.0, 20.0, 90.0, 40.0))
    one = target(neighbours=[("to the left of", "the left kidney"), ("to the left of", "the liver")])
    window = View((0.0, 0.0, 0.6, 0.6))
    assert seen_in(one, window, (one, far, near)).neighbours == (("to the left of", "the liver"),)
    assert len(seen_in(one, UNCHANGED, (one, far, near)).neighbours) == 2


def test_a_message_about_nothing_is_answered_with_nothing():
    for seed in range(20):
        made = absent_conversation(picture(target()), PROMPT, False, random.Random(seed))
        parsed = parse(made["completion"])
        assert parsed.absent and parsed.answer is None and parsed.think and not made["present"]
        assert sum(made["coverage"]) == 0 and 0 <= made["asked"] <= len(categories())
    assert parse(absent_conversation(picture(), PROMPT, True, random.Random(0))["completion"]).think is None

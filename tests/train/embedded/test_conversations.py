"""`train/embedded/conversations.py`: questions and answers about a target, and where it lies on the token
grid."""

import random

import numpy as np
import pytest

from medreasoner.answer import parse
from medreasoner.data.build.writers.offline import Measured
from medreasoner.geometry import EMBEDDED, to_image
from medreasoner.prompts import Prompt
from train.embedded.conversations import Target, conversation, coverage_of, drop_words, kinds_of


def test_coverage_is_the_share_of_each_cell():
    mask = np.zeros((160, 320), bool)
    mask[10:20, 20:40] = True  # cell (1, 1) whole
    mask[0:10, 0:10] = True  # half of cell (0, 0)
    coverage = coverage_of(mask)
    assert (
        coverage[1, 1] == pytest.approx(1)
        and coverage[0, 0] == pytest.approx(0.5)
        and coverage.sum() == pytest.approx(1.5)
    )


def test_coverage_keeps_the_area_when_the_grid_does_not_divide_the_image():
    mask = np.random.default_rng(0).random((123, 211)) > 0.7
    assert coverage_of(mask).mean() == pytest.approx(mask.mean(), abs=1e-6)


def target(category: str = "colorectal polyp", box=(20.0, 10.0, 60.0, 50.0)) -> Target:
    mask = np.zeros((100, 200), bool)
    mask[int(box[1]) : int(box[3]), int(box[0]) : int(box[2])] = True
    measured = {
        "side": "left",
        "height": "upper",
        "size": "small",
        "shape": "about as wide as tall",
        "brightness": "brighter than",
    }
    Measured(**measured)
    sample = {
        "category": category,
        "measured": measured,
        "box": list(box),
        "points": [[40.5, 30.5], [30.5, 20.5]],
        "case": "x",
    }
    return Target(sample, "unused.png", (200, 100), coverage_of(mask))


def test_a_row_is_the_conversation_of_inference_and_its_answer_is_the_box():
    prompt = Prompt(think="{question}", direct="{question} Answer only.")
    seen = set()
    for seed in range(40):
        made = conversation(target(), prompt, EMBEDDED, random.Random(seed))
        parsed = parse(made["completion"])
        assert parsed.reason is None and set(parsed.met) <= {"no think block"}
        found = to_image(parsed.answer.bbox, parsed.answer.points, EMBEDDED, (200, 100))
        assert np.allclose(found.box, (20, 10, 60, 50), atol=0.5)
        assert made["prompt"].endswith("Answer only.") == (parsed.think is None)
        seen.add(parsed.think is None)
    assert seen == {True, False}


def test_words_are_lost_from_a_question_but_never_its_side():
    rng = random.Random(0)
    text = "Which air-filled organ lies on the left side?"
    shortened = {drop_words(text, 0.5, rng) for _ in range(60)}
    assert len(shortened) > 30 and all(
        "left" in each and set(each.split()) <= set(text.split()) for each in shortened
    )
    assert drop_words("Where?", 1.0, rng) == "Where?" and drop_words(text, 0.0, rng) == text


def test_small_targets_lie_on_top_of_large_ones():
    small = target("optic cup", (40.0, 20.0, 80.0, 60.0))
    kinds = kinds_of([small, target("optic disc", (20.0, 0.0, 140.0, 90.0))])
    inside = kinds[5, 5]
    assert len(np.unique(kinds)) == 3 and inside != kinds[1, 3] and inside == kinds_of([small]).max()

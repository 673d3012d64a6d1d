"""All reward sets: frames, and what hostile completions get.

python -m pytest tests/rewards/test_rewards.py
"""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreasoner.geometry import EMBEDDED, Grounding, from_image
from medreasoner.rewards import SETS, reward_functions
from tests.rewards.answers import no_mask, terms, total, written


def test_the_model_s_own_frame_is_converted_in_every_set():
    wh, truth = (400, 300), Grounding((40.0, 30.0, 200.0, 150.0), ((80.0, 60.0), (160.0, 120.0)))
    bbox, points = from_image(truth, EMBEDDED, wh)
    text = written(
        list(bbox),
        *map(list, points),
        think="<think>It is in the upper left of the image: mid-sized.</think>",
    )
    row = {
        "bbox_2d": [list(truth.box)],
        "point_2d": [[list(p) for p in truth.points]],
        "image_wh": [list(wh)],
    }
    for name, best in (("paper-soft", 4), ("paper-hard", 8), ("paper-base-intended", 5), ("mask", 1.9)):
        functions, weights = reward_functions(name, EMBEDDED, segment=no_mask)
        got = [f(completions=[text], image=[None], **row)[0] for f in functions]
        assert sum(w * g for w, g in zip(weights, got, strict=True) if g is not None) == pytest.approx(
            best, abs=0.01
        ), name


HOSTILE = {
    "empty": "",
    "100k": "a" * 100_000,
    "100k openings": "<think>" * 15_000 + "<answer>" * 15_000,
    "100k braces": "<answer>" + "{" * 100_000 + "</answer>",
    "deep JSON": "<answer>" + '{"bbox": ' + "[" * 50_000 + "]" * 50_000 + "}</answer>",
    "turns": "<think>" + "</think> " * 12_000,
    "spaces": "<think></think>" + " " * 100_000,
    "big integers": written().replace("445", "9" * 400),
    "unicode digits": written().replace("445", "٤٤٥"),
    "null": "<answer>null</answer>",
    "surrogate": "\ud800" + written(),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("set_name", SETS)
def test_hostile_completions_score_low_and_do_not_stall(set_name, name):
    started = time.process_time()
    got = total(set_name, HOSTILE[name])
    assert time.process_time() - started < 1
    assert 0 <= got <= (0.75 if name != "surrogate" else 1) * total(set_name, written())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), st.lists, max_leaves=9
)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), ANYTHING)
def test_no_completion_breaks_a_reward(text, value):
    answers = (text, written(value, value, [1, 2], f"<think>{text}</think>"))
    for name in SETS:
        for completion in answers:
            assert all(v is None or 0 <= v <= 1 for v in terms(name, completion).values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=8, max_size=8))
def test_every_finite_answer_gets_between_nothing_and_all(numbers):
    text = written(numbers[:4], numbers[4:6], numbers[6:])
    for name in SETS:
        assert all(v is None or 0 <= v <= 1 for v in terms(name, text).values())


def test_unknown_sets_and_a_missing_segmenter_are_refused():
    with pytest.raises(ValueError, match="expected one of paper-soft"):
        reward_functions("best")
    with pytest.raises(ValueError, match="give it a segmenter"):
        reward_functions("mask")

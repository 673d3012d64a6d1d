"""Recordings play back what was recorded and nothing else."""

import json
import threading

import pytest

from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.reasoners.replay import ReplayReasoner, record
from tests import tiny
from tests.reasoners.small_models import QUESTION, picture


def test_a_recording_plays_back_what_the_model_wrote(load, tmp_path):
    reasoner, image = load("qwen3_vl_script"), picture()
    run = record(reasoner, image, QUESTION)
    (tmp_path / "runs.json").write_text(json.dumps([run]))
    replay = load_reasoner(tmp_path / "runs.json")
    assert "recorded" in replay.name
    assert replay.frame == reasoner.frame
    encoded = replay.encode(image.copy())
    assert encoded.input_wh == reasoner.encode(image).input_wh
    assert list(replay.stream(encoded, QUESTION)) == run["pieces"]
    assert "".join(run["pieces"]) == tiny.SCRIPT


def test_a_recording_knows_only_what_was_recorded_and_stops_when_told(load):
    image = picture()
    replay = ReplayReasoner([record(load("embedded_script"), image, QUESTION)], seconds_per_piece=0.001)
    with pytest.raises(ReasonerError, match="does not know this image"):
        replay.encode(picture(seed=9))
    with pytest.raises(ReasonerError, match="was not asked this"):
        next(replay.stream(replay.encode(image), "Another question?"))
    stop = threading.Event()
    stream = replay.stream(replay.encode(image), QUESTION, stop=stop)
    next(stream)
    stop.set()
    assert list(stream) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("{}", "must be a list"),
        ("[]", "no run"),
        ('[{"pieces": []}]', "with the keys"),
        ("[1]", "with the keys"),
    ],
)
def test_a_broken_recording_is_refused_in_one_sentence(tmp_path, text, says):
    (tmp_path / "runs.json").write_text(text)
    with pytest.raises(ReasonerError, match=says):
        load_reasoner(tmp_path / "runs.json")

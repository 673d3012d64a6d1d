"""Runs of one model end when told, wait for each other and keep visitors apart, in every family.

python -m pytest tests/reasoners/test_runs.py
"""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from tests.reasoners.small_models import BUILDERS, LIMIT, QUESTION, picture


@pytest.mark.parametrize("family", BUILDERS)
def test_stop_ends_the_stream_within_two_tokens(load, family):
    reasoner, stop = load(f"{family}_loop"), threading.Event()
    stream = reasoner.stream(reasoner.encode(picture()), QUESTION, stop=stop)
    assert len(list(islice(stream, 5))) == 5
    time.sleep(0.1)  # the model runs ahead of a slow reader
    stop.set()
    assert len(list(stream)) <= 2


def test_a_stop_before_the_start_gives_nothing(load):
    reasoner, stop = load("embedded_loop"), threading.Event()
    stop.set()
    assert list(reasoner.stream(reasoner.encode(picture()), QUESTION, stop=stop)) == []


@pytest.mark.parametrize("family", BUILDERS)
def test_closing_the_generator_ends_the_run_and_frees_the_model(load, family):
    reasoner = load(f"{family}_loop")
    encoded = reasoner.encode(picture())
    stream = reasoner.stream(encoded, QUESTION)
    assert len(list(islice(stream, 3))) == 3
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("generate")]
    assert not reasoner._runs.running.locked()
    assert len(list(reasoner.stream(encoded, QUESTION))) == LIMIT


@pytest.mark.parametrize("family", BUILDERS)
def test_two_visitors_at_once_hear_what_each_would_hear_alone(load, family):
    reasoner = load(family)
    visits = [
        (picture(300, 200, 1), "What drives the blood onward?"),
        (picture(120, 240, 2), "Where would fluid collect?"),
    ]
    encoded = [(reasoner.encode(image), question) for image, question in visits]
    alone = [list(reasoner.stream(*visit)) for visit in encoded]
    assert alone[0] != alone[1]
    with ThreadPoolExecutor(2) as threads:
        together = list(threads.map(lambda visit: list(reasoner.stream(*visit)), encoded * 2))
    assert together == alone * 2


def test_runs_of_one_model_wait_for_each_other_and_who_waits_can_leave(load):
    reasoner = load("embedded_loop")
    encoded, stop = reasoner.encode(picture()), threading.Event()
    with reasoner._runs.running:  # as if another visitor's run were long
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(lambda: list(reasoner.stream(encoded, QUESTION, stop=stop)))
            time.sleep(0.2)
            assert not waiting.done()
            stop.set()
            assert waiting.result(timeout=600) == []

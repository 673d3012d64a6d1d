"""Runs on the page without a browser: stopping, failing, without a GPU."""

import json
import threading
from collections.abc import Iterator

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from medreasoner.answer import Answer, render
from medreasoner.events import Event, Thinking
from medreasoner.geometry import Grounding
from medreasoner.imaging import load_image
from medreasoner.model import MedReasoner
from medreasoner.output.grounding_json import Provenance
from medreasoner.page.page import Page
from medreasoner.page.recordings import load_recordings, record
from medreasoner.page.session import Session
from medreasoner.sampling import SampledAnswer
from tests import tiny

WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


def click(session: Session, task: str = "a click") -> dict:
    """What the browser knows at a click."""
    return {"task": task, "image": session.id}


class Endless:
    """A model that speaks until it is told to stop."""

    name, can_sample, thinks_on_request = "folder/on/this/machine", True, True

    def __init__(self) -> None:
        self.stop: threading.Event | None = None
        self.closed = threading.Event()

    def provenance(self, question: str) -> Provenance:
        return Provenance(question)

    def prepare(self, image: Image.Image, cache: object) -> None:
        pass

    def stream(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[Event]:
        self.stop = stop
        try:
            while True:
                yield Thinking("word ")
        finally:
            assert stop.is_set(), "the run was closed before it was told to stop"
            self.closed.set()

    def samples(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[SampledAnswer]:
        self.stop = stop
        try:
            while True:
                yield SampledAnswer(WHERE, 0.1)
        finally:
            assert stop.is_set(), "the samples were closed before they were told to stop"
            self.closed.set()


def test_closing_a_run_tells_the_model_to_stop_first():
    model = Endless()
    page = Page(model, [])
    session = Session(load_image(np.zeros((32, 32), np.uint8)))
    run = page.runs.ask(session, "Where?", click(session))
    for _ in range(3):
        next(run)
    assert not model.stop.is_set()
    run.close()
    assert model.stop.is_set()
    assert model.closed.wait()


def test_closing_a_comparison_stops_the_model_that_speaks(model):
    second = Endless()
    page = Page(model, [], compare=second)
    session = Session(load_image(np.full((64, 64), 90, np.uint8)))
    run = page.runs.compare(session, "What is bright?", click(session))
    shown = next(
        update
        for update in run
        if page.layout.comparison in update and update[page.layout.comparison].get("think")
    )
    assert shown[page.layout.comparison]["name"] == "this/machine", (
        "a folder's whole path is nobody's business"
    )
    assert session.done is not None and not second.stop.is_set()
    run.close()
    assert second.closed.wait()
    stopped = next(page.runs.stop(session, click(session)))[page.layout.status]
    assert (stopped["phase"], stopped["text"]) == ("done", "Stopped"), (
        "the first answer is there to be corrected"
    )


def test_closing_samples_tells_the_model_to_stop_first(model):
    endless = Endless()
    page, session = Page(endless, []), Session(load_image(np.full((64, 64), 90, np.uint8)))
    assert list(page.runs.sample(session, click(session))) == [gr.skip()], "there is no answer yet"
    session.begin("a run", endless.provenance("What is bright?"))
    session.end(model.ground(session.loaded.image, "What is bright?"))
    samples = page.runs.sample(session, click(session))
    for _ in range(3):
        shown = next(samples)
    assert (
        shown[page.layout.confidence]["rows"][0]["text"].endswith("of 2 samples")
        and len(shown[page.layout.confidence]["boxes"]) == 2
    )
    samples.close()
    assert endless.closed.wait()


def test_without_a_second_model_the_page_offers_no_comparison(model):
    layout = Page(model, []).layout
    assert layout.compare is None and layout.confidence is not None
    with_second = Page(model, [], compare=Endless()).layout
    assert with_second.compare.value == "Compare"


class Breaks(Endless):
    """A model with a bug."""

    def stream(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[Event]:
        yield Thinking("word ")
        raise AssertionError("the bug, which this test wants")


def test_stop_ends_the_run_and_takes_what_waits_out_of_the_line():
    model = Endless()
    page, session = Page(model, []), Session(load_image(np.zeros((32, 32), np.uint8)))
    run, waiting = (page.runs.ask(session, "Where?", click(session, task)) for task in ("first", "second"))
    next(run)
    for task in ("first", "second"):
        list(page.runs.stop(session, click(session, task)))
    assert list(run) == [gr.skip()] and model.closed.wait()
    assert list(waiting) == [gr.skip()], "it was in line when the visitor left it"
    assert (
        next(page.runs.ask(session, "Where?", click(session, "third")))[page.layout.status]["task"] == "third"
    )


def test_a_question_about_an_image_that_has_been_replaced_is_not_answered():
    page, session = Page(Endless(), []), Session(load_image(np.zeros((32, 32), np.uint8)))
    earlier = Session(load_image(np.zeros((32, 32), np.uint8)))
    assert list(page.runs.ask(session, "Where?", click(earlier))) == [gr.skip()]
    run = page.runs.ask(earlier, "Where?", click(earlier))
    next(run)
    earlier.tasks.closed = True
    assert list(run) == [gr.skip()]


def test_a_question_that_is_refused_leaves_the_answer_as_it_was(model):
    page, session = Page(model, []), Session(load_image(np.full((64, 64), 90, np.uint8)))
    list(page.runs.ask(session, "What is bright?", click(session)))
    done = session.done
    (refused,) = page.runs.ask(session, " ", click(session, "another"))
    status = refused[page.layout.status]
    assert (status["phase"], status["warning"]) == ("done", True) and "empty" in status["text"]
    assert session.done is done


def test_a_run_that_broke_is_reported_under_its_own_name():
    page, session = Page(Breaks(), []), Session(load_image(np.zeros((32, 32), np.uint8)))
    with pytest.raises(AssertionError):
        list(page.runs.ask(session, "Where?", click(session)))
    (told,) = page.runs.fail(session).values()
    assert told["phase"] == "error" and told["run"] == session.run


class NoQuota:
    """A model on a machine that gives this visitor no GPU."""

    name, can_sample, thinks_on_request = "someone/large", True, True

    def provenance(self, question: str) -> Provenance:
        return Provenance(question)

    def stream(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[Event]:
        raise gr.Error("You have exceeded your GPU quota", title="ZeroGPU quota exceeded")
        yield

    def samples(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[SampledAnswer]:
        raise gr.Error("You have exceeded your GPU quota", title="ZeroGPU quota exceeded")
        yield


def test_without_a_gpu_an_example_plays_from_its_recording_and_says_so(
    model, image_file, tmp_path, monkeypatch
):
    monkeypatch.setattr("medreasoner.page.recordings.PIECE_SECONDS", 0)
    loaded = load_image(image_file)
    path = tmp_path / "recorded.json"
    path.write_text(
        json.dumps([record(model.stream(loaded.image, "What is bright?"), loaded.image, "What is bright?")])
    )
    page = Page(NoQuota(), [], load_recordings(path))
    session = Session(loaded)
    shown = list(page.runs.ask(session, "What is bright?", click(session, "What is bright?")))
    reading = shown[-1][page.layout.answer]
    assert reading["think"] == tiny.THOUGHT and "This is a recorded run of" in " ".join(reading["notes"])
    assert session.done.model.endswith("(recorded)") and shown[-1][page.layout.status]["phase"] == "done"
    assert np.array_equal(session.done.mask, model.ground(loaded.image, "What is bright?").mask)
    *_, refused = page.runs.sample(session, click(session))
    assert (
        refused[page.layout.status]["phase"] == "done"
        and "free GPU time" in refused[page.layout.status]["text"]
    )
    *_, refused = page.runs.ask(session, "What was never asked?", click(session, "What was never asked?"))
    assert "Your free GPU time for today is used up" in refused[page.layout.status]["text"]


def test_the_kind_of_image_is_as_the_model_names_it_where_the_header_does_not_say(tmp_path):
    script = render(Answer((64, 32, 192, 128), ((96, 64), (128, 96)), think="On this ultrasound it is dark."))
    model = MedReasoner.from_pretrained(tiny.embedded(tmp_path / "m", script=script), device="cpu")
    page, loaded = Page(model, []), load_image(np.full((64, 64), 90, np.uint8))
    for modality, said in ((None, "on Ultrasound, as the model names this image"), ("CT", None)):
        session = Session(loaded, modality=modality)
        shown = list(page.runs.ask(session, "What is bright?", click(session)))[-1]
        worth = shown.get(page.layout.worth)
        assert (worth is None) == (said is None) and (said is None or said in worth["text"])

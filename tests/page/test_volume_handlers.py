"""A whole stack without a browser: what handlers give for a run, a view, a correction, a stop.

python -m pytest tests/page/test_volume_handlers.py
"""

from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from medreasoner.imaging import ViewSelection
from medreasoner.imaging.opener import ImageOpener
from medreasoner.model import MedReasoner
from medreasoner.page import downloads
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.page import Page
from medreasoner.page.session import Session
from medreasoner.reasoners.base import ReasonerError
from medreasoner.segmenters.base import SegmenterPrompt
from tests.ball_volume import BALL, QUESTION, sees, write_ball
from tests.segmenters.ball import BrightSegmenter, box_of


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_ball(tmp_path_factory.mktemp("ball"))


@pytest.fixture(scope="module")
def opener():
    return ImageOpener()


@pytest.fixture(scope="module")
def page(path):
    return Page(MedReasoner(sees(path), BrightSegmenter()), [])


@pytest.fixture
def session(path, opener):
    return Session.of_files(*OpenedFiles.read([path], opener))


def ask(page, session, **client) -> list[dict]:
    """The values of a run, by name of the component."""
    given = {"task": "click", "image": session.id, **client}
    names = {part: name for name, part in vars(page.layout).items() if name != "session"}
    updates = page.volumes.ask(session, QUESTION, given)
    return [{names[part]: value for part, value in values.items() if part in names} for values in updates]


def edited(session, prompt: SegmenterPrompt | None, edit: int = 1):
    prompt = prompt or SimpleNamespace(box=None, points=(), clicks=())
    return SimpleNamespace(box=prompt.box, points=prompt.points, clicks=prompt.clicks, edit=edit)


def correct(page, session, prompt) -> None:
    for _ in page.volumes.refine(session, edited(session, prompt)):
        pass


def view(session, opener, number: int) -> Session:
    return session.with_view(ViewSelection(slice=number, axis="axial"), opener)


def test_a_run_tells_its_progress_and_ends_with_pictures_and_files(page, session):
    values = ask(page, session)
    said = [each["status"]["text"] for each in values if "status" in each]
    assert said[0] == "Looking through the stack" and said[-1] == "Done"
    assert any("not seen" in text for text in said) and any(text.startswith("Outlined") for text in said)
    filled = [each["volume"]["filled"] for each in values if "volume" in each]
    assert all(len(then) >= len(before) for before, then in zip(filled, filled[1:], strict=False))
    run = session.volume
    assert np.array_equal(run.mask(), run.result.mask) and 0.9 < run.mask().sum() / BALL.sum() < 1.1
    assert len(values[-1]["volume"]["planes"]) == 3 and values[-1]["volume"]["turns"] == 12
    assert downloads.available(session) == ("mask.nii.gz", "grounding.json")
    assert session.settled_phase == "done" and session.nbytes > run.nbytes > 0


def test_every_view_shows_its_own_mask_and_its_corrections_hold(page, session, opener):
    ask(page, session)
    run = session.volume
    there, outside = view(session, opener, 9), view(session, opener, 1)
    assert run.viewing == 1 and outside.shows_volume and there.volume is run
    assert run.slice_answer(9).result.mask.sum() > 0.9 * BALL[8].sum() and run.slice_answer(1) is None
    there = view(session, opener, 10)
    own, before = run.prompt(10), run.mask()
    half = SegmenterPrompt((own.box[0], own.box[1], own.box[2], own.box[1] + 4.0))
    correct(page, there, half)
    assert run.corrected and sorted(run.changed_seeds()) == [10] and not run.running
    assert run.masks[10].sum() < before[9].sum() and np.array_equal(run.mask()[7], before[7])
    assert run.done().volume_ml < run.result.volume_ml
    correct(page, there, own)
    assert not run.corrected and np.array_equal(run.mask(), before), "taken back"


def test_a_slice_without_a_mask_takes_a_box_and_one_of_two_corrections_is_taken_back(page, session, opener):
    ask(page, session)
    run = session.volume
    first = view(session, opener, 14)
    assert run.prompt(14) is None and 14 not in run.masks
    correct(page, first, SegmenterPrompt((15.0, 10.0, 30.0, 22.0)))
    assert sorted(run.changed_seeds()) == [14]
    second = view(session, opener, 6)
    correct(page, second, SegmenterPrompt(box_of(BALL[5]).box[:3] + (14.0,)))
    assert sorted(run.changed_seeds()) == [6, 14]
    run.look_at(ViewSelection(slice=14, axis="axial"))
    correct(page, first, None)
    assert sorted(run.changed_seeds()) == [6] and run.masks[6].any()


def test_a_wrong_prompt_is_refused_and_another_image_ends_everything(page, session, opener):
    ask(page, session)
    run, before = session.volume, session.volume.mask()
    nowhere = SimpleNamespace(box=[float("nan")] * 4, points=[], clicks=[], edit=1)
    (values,) = page.volumes.refine(session, nowhere)
    assert values[page.layout.status]["warning"] and np.array_equal(run.mask(), before)
    run.drop()
    assert run.stop.is_set() and all("status" not in values for values in ask(page, session, task=""))


def test_the_slice_that_is_shown_is_asked_where_the_visitor_wants_it(page, path, opener):
    session = view(Session.of_files(*OpenedFiles.read([path], opener)), opener, 7)
    ask(page, session, fromHere="yes")
    assert session.volume.key == 7 and session.volume.looked == {}


def test_the_chosen_model_is_asked_as_the_switch_says_and_its_segmenter_draws_again(path, session, opener):
    loaded, thought = [], []

    class Second(MedReasoner):
        thinks_on_request = True

        def stream_volume(self, volume, question, slice=None, think=True, stop=None):
            thought.append(think)
            return super().stream_volume(volume, question, slice, True, stop)

    def load(model, segmenter):
        loaded.append(model)
        return Second(sees(path), Drawing())

    class Drawing(BrightSegmenter):
        name = "the second one"

    offered = OfferedModels(
        MedReasoner(sees(path, blind=True), BrightSegmenter()), ["first", "second"], (), load
    )
    page = Page(offered, [])
    values = ask(page, session, model="second", think="no")
    assert loaded == ["second"] and thought == [False]
    assert values[0]["status"]["text"].startswith("Loading second")
    run = session.volume
    assert run.found, "the first sees nothing"
    seen = []
    Drawing.segment = lambda self, *given: (seen.append(self), BrightSegmenter.segment(self, *given))[1]
    Drawing.segment_after = lambda self, *given: (
        seen.append(self),
        BrightSegmenter.segment_after(self, *given),
    )[1]
    correct(page, view(session, opener, 10), SegmenterPrompt(box_of(BALL[9]).box[:3] + (14.0,)))
    assert seen and run.corrected
    ask(page, session, model="second", think="yes")
    assert thought == [False, True]
    ask(page, session, model="first")
    assert not session.volume.found and loaded == ["second"]


def test_a_chosen_model_that_cannot_be_loaded_leaves_the_answer(path, session):
    def load(model, segmenter):
        raise ReasonerError("it is gone")

    page = Page(OfferedModels(MedReasoner(sees(path), BrightSegmenter()), ["first", "gone"], (), load), [])
    ask(page, session)
    before = session.volume
    values = ask(page, session, task="second", model="gone")
    assert "gone cannot be loaded, choose another: it is gone." in values[-1]["status"]["text"]
    assert session.volume is before and before.found


def test_a_stop_ends_the_run_and_keeps_what_there_is(page, session):
    steps = page.volumes.ask(session, QUESTION, {"task": "click", "image": session.id})
    for values in steps:
        if (
            values[page.layout.status]["text"].startswith("Outlined")
            if page.layout.status in values
            else False
        ):
            break
    stopping = page.runs.stop(session, {"task": "click"})
    assert next(stopping)[page.layout.status]["text"] == "Stopping"
    assert not session.volume.stop.is_set(), "else the end of the run may be said before that"
    assert list(stopping) == [gr.skip()] and session.volume.stop.is_set()
    for _ in steps:
        pass
    run = session.volume
    assert not run.running and run.found and "Stopped" in " ".join(run.result.notes)
    assert 0 < len(run.masks) < BALL.any(axis=(1, 2)).sum()


def test_a_single_image_and_an_empty_question_are_refused(page, session, opener, tmp_path):
    Image.new("RGB", (64, 64)).save(tmp_path / "one.png")
    single = Session.of_files(*OpenedFiles.read([tmp_path / "one.png"], opener))
    (values,) = page.volumes.ask(single, QUESTION, {"task": "t", "image": single.id})
    assert "no further slices" in values[page.layout.status]["text"] and single.volume is None
    (values,) = page.volumes.ask(session, " ", {"task": "t", "image": session.id})
    assert values[page.layout.status]["warning"] and session.volume is None
    (values,) = page.volumes.ask(None, QUESTION, {"image": "gone"})
    assert "connection was lost" in values[page.layout.status]["text"]

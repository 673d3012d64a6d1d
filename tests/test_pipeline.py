"""The pipeline and MedReasoner: events in their order, bad input and bad models each as one sentence,
nobody's run in anybody's way.

Models are tiny (tiny.py) and run for real; dialects and defects a tiny model cannot have are played back from
recordings.
"""

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner import GroundingFailed, MedReasoner, SegmenterError
from medreasoner.events import NOTICE, Absent, Done, Failed, Thinking
from medreasoner.imaging import ImageError
from medreasoner.pipeline import ground
from medreasoner.question import MAX_QUESTION
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from medreasoner.segmenters.base import SegmenterPrompt
from tests import tiny

QUESTION = "Which part explains a cough that does not go away?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("models") / "pair", script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def pair(folder) -> MedReasoner:
    return MedReasoner.from_pretrained(folder, device="cpu")


@pytest.fixture(scope="module")
def endless(tmp_path_factory) -> MedReasoner:
    """Never closes its answer."""
    made = tiny.embedded(
        tmp_path_factory.mktemp("endless") / "m", script="<think>on and on and", loop=True, max_new_tokens=150
    )
    return MedReasoner.from_pretrained(made, device="cpu")


class Box:
    """A segmenter that fills the box, and remembers what it was given."""

    name = "box"

    def __init__(self):
        self.features, self.thread = None, None

    def encode(self, image: Image.Image, features: object = None) -> Image.Image:
        self.features, self.thread = features, threading.current_thread()
        return image

    def segment(self, encoded: Image.Image, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        mask = np.zeros(encoded.size[::-1], bool)
        x1, y1, x2, y2 = map(round, prompt.box)
        mask[y1:y2, x1:x2] = True
        return mask, 0.5


def recorded(*pieces: str, frame: str = "0..1000", think: bool = True) -> ReplayReasoner:
    run = {"image_sha256": image_key(PICTURE), "question": QUESTION, "think": think, "pieces": list(pieces)}
    return ReplayReasoner([{**run, "model": "someone", "frame": frame, "input_wh": [840, 840]}])


def answer(bbox: str = "[100, 200, 500, 600]", points: str = "[300, 300]") -> str:
    return f'<think>Here.</think><answer>{{"bbox": {bbox}, "points_1": {points}, "points_2": [400, 400]}}</answer>'


def order(events: list) -> str:
    return "".join(type(event).__name__[0] for event in events)


def test_a_run_goes_thinking_located_segmented_done(pair):
    events = list(pair.stream(PICTURE, QUESTION))
    assert order(events).strip("T") == "LSD"
    assert events[0] == Thinking("")
    located, segmented, done = events[-3:]
    assert "".join(event.text for event in events[:-3]) == done.think == tiny.THOUGHT
    assert len(events) > 10, "the reasoning arrives in pieces"
    assert located.grounding == done.grounding
    assert done.grounding.box == pytest.approx(
        (64 / 255 * 300, 32 / 255 * 200, 192 / 255 * 300, 128 / 255 * 200)
    )
    assert done.grounding.points[0] == pytest.approx((96 / 255 * 300, 64 / 255 * 200))
    assert segmented.mask is done.mask
    assert done.mask.shape == (200, 300)
    assert done.mask.dtype == bool
    assert 0 <= done.mask_score <= 1
    assert (done.answer_text, done.image_wh, done.notice) == (tiny.SCRIPT, (300, 200), NOTICE)
    assert done.segmenter == f"{done.model}/segmenter"


def test_times_are_measured_in_the_order_things_happen(pair):
    done = pair.ground(PICTURE, QUESTION)
    times = done.timings_s
    assert set(times) == {"read", "first_token", "located", "mask_after_last_token", "total"}
    assert 0 < times["read"] < times["first_token"] < times["located"] < times["total"]
    assert 0 < times["mask_after_last_token"] < times["total"]
    assert done.tokens_per_s > 1


def test_events_pickle(pair):
    for event in pair.stream(PICTURE, QUESTION):
        copy = pickle.loads(pickle.dumps(event))
        assert type(copy) is type(event)


def test_without_thinking_the_answer_comes_at_once(pair):
    said = answer().split("</think>")[1]
    events = list(ground(PICTURE, QUESTION, recorded(said, think=False), Box(), think=False))
    assert order(events) == "TLSD"
    assert events[-1].think == ""
    assert events[-1].notes == ()


def test_the_box_is_known_the_moment_its_json_closes_and_the_rest_is_not_waited_for(pair):
    reasoner = recorded(answer()[:-3], "er>", " and a lot more", "<answer>{}</answer>")
    events = list(ground(PICTURE, QUESTION, reasoner, Box()))
    assert order(events) == "TTLSD"
    assert events[-1].answer_text == answer()


@pytest.mark.parametrize("frame", ["0..1000", "input pixels", "0..1000 yx", "0..255"])
def test_every_dialect_ends_in_pixels_of_the_original_image(frame):
    limit = {"input pixels": 840, "0..255": 255}.get(frame, 1000)
    numbers = [limit // 5, limit // 3, limit // 2, limit // 1.5]
    done = list(ground(PICTURE, QUESTION, recorded(answer(str(numbers)), frame=frame), Box()))[-1]
    shares = np.array(numbers) / limit
    if frame.endswith("yx"):
        shares = shares[[1, 0, 3, 2]]
    assert done.grounding.box == pytest.approx(tuple(shares * [300, 200, 300, 200]))


@pytest.mark.parametrize("question", ["", "   \n", "?!…", "\u200b"])
def test_a_question_without_a_word_is_refused(pair, question):
    (failed,) = pair.stream(PICTURE, question)
    assert (failed.reason, failed.message[:21]) == ("question", "The question is empty")


def test_a_question_is_read_up_to_its_limit_and_refused_beyond(pair):
    assert isinstance(list(pair.stream(PICTURE, "why " * (MAX_QUESTION // 4)))[-1], Done)
    (failed,) = pair.stream(PICTURE, "w" * (MAX_QUESTION + 1))
    assert failed.reason == "question"
    assert "2,001 characters" in failed.message


@pytest.mark.parametrize(
    "question",
    [
        "咳嗽的原因在哪里？",
        "half a pair \ud83d of surrogates",
        "nul \0 and {braces} {{twice}}",
        "<image>" * 9,
    ],
)
def test_unusual_questions_are_answered_like_others(pair, question):
    assert isinstance(list(pair.stream(PICTURE, question))[-1], Done)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot help with that.", "no answer block"),
        ("", "no answer block"),
        ("<think>Never closed", "no answer block"),
        (answer()[:-4], "not closed"),
        ("<think>x</think><answer>none</answer>", "not JSON"),
        ('<think>x</think><answer>{"bbox": [1, 2, 3, 4]}</answer>', "missing key"),
        (answer("[1, 2, 3]"), "wrong shape"),
        (answer("[1, 2, 3, NaN]"), "not a number"),
        (answer("[100, 100, 100, 100]"), "empty box"),
        (answer("[2000, 2000, 3000, 3000]"), "empty box"),
    ],
)
def test_a_bad_answer_fails_with_its_reason_and_keeps_the_text(text, reason):
    events = list(ground(PICTURE, QUESTION, recorded(*text), Box()))
    failed = events[-1]
    assert order(events).strip("T") == "F"
    assert failed.reason == reason
    assert failed.text == text
    assert failed.message.endswith(".")
    assert "".join(event.text for event in events[:-1]).strip() in text


def test_repairs_and_oddities_are_said_and_not_hidden():
    done = list(
        ground(PICTURE, QUESTION, recorded(answer("[500, 200, 100, 1200]").replace('"', "'")), Box())
    )[-1]
    assert done.grounding.box == (30.0, 40.0, 150.0, 200.0)
    assert [note.split(";")[0] for note in done.notes] == [
        "The box came with swapped corners",
        "Part of the answer lay outside the image",
        "The answer's form was off (single quotes)",
    ]


def test_an_output_that_never_closes_fails_at_the_models_limit(endless):
    failed = list(endless.stream(PICTURE, QUESTION))[-1]
    assert failed.reason == "no answer block"
    assert failed.text.startswith("<think>on and on and")


def test_stop_fails_with_what_was_thought_so_far(endless):
    stop = threading.Event()
    thought = ""
    for event in endless.stream(PICTURE, QUESTION, stop=stop):
        if isinstance(event, Thinking):
            thought += event.text
        if len(thought) > 30:
            stop.set()
    assert event.reason == "stopped"
    assert thought in event.text
    assert len(event.text) < 100


def test_closing_the_run_ends_the_model_and_the_next_visitor_is_served(endless, pair):
    run = endless.stream(PICTURE, QUESTION)
    for event in run:
        if event != Thinking(""):
            break
    run.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("generate")]
    assert isinstance(pair.ground(PICTURE, QUESTION), Done)


def test_an_image_the_model_cannot_take_fails_as_the_models():
    events = list(ground(PICTURE.rotate(90), QUESTION, recorded(answer()), Box()))
    assert order(events) == "F"
    assert events[0].reason == "model"
    assert "does not know this image" in events[0].message


@pytest.mark.parametrize("where", ["encode", "segment"])
def test_a_failing_segmenter_leaves_box_and_reasoning(where):
    class Broken(Box):
        pass

    def fail(*_: object) -> None:
        raise SegmenterError("out of memory")

    setattr(Broken, where, fail)
    events = list(ground(PICTURE, QUESTION, recorded(answer()), Broken()))
    assert order(events) == "TTLF"
    assert (events[-1].reason, events[-1].message, events[-1].think) == (
        "segmenter",
        "out of memory.",
        "Here.",
    )


def test_programming_errors_are_not_hidden():
    class Wrong(Box):
        def segment(self, encoded, prompt):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(ground(PICTURE, QUESTION, recorded(answer()), Wrong()))


def test_the_segmenter_takes_in_the_image_while_the_model_thinks():
    thought = threading.Event()

    class Slow(Box):
        def encode(self, image, features=None):
            assert thought.wait(10), "the reasoning must arrive before the encoding is done"
            return super().encode(image, features)

    segmenter = Slow()
    for event in ground(PICTURE, QUESTION, recorded(*answer()), segmenter):
        if isinstance(event, Thinking) and event.text:
            thought.set()
    assert isinstance(event, Done)
    assert segmenter.thread is not threading.current_thread()


def test_a_shared_eye_hands_its_features_on(pair):
    segmenter = Box()
    done = list(ground(PICTURE, QUESTION, pair.reasoner, segmenter))[-1]
    assert isinstance(done, Done)
    assert len(segmenter.features) == 3


def test_an_empty_mask_is_said():
    class Blind(Box):
        def segment(self, encoded, prompt):
            return np.zeros(encoded.size[::-1], bool), 0.1

    done = list(ground(PICTURE, QUESTION, recorded(answer()), Blind()))[-1]
    assert done.notes == ("The segmenter found nothing to outline in the box.",)


def test_images_come_as_files_arrays_and_pictures_of_any_mode(pair, tmp_path):
    PICTURE.save(tmp_path / "p.png")
    expected = pair.ground(PICTURE, QUESTION)
    for image in (tmp_path / "p.png", str(tmp_path / "p.png"), np.asarray(PICTURE), PICTURE.convert("RGBA")):
        done = pair.ground(image, QUESTION)
        assert done.grounding == expected.grounding
        assert (done.mask == expected.mask).all()
    with pytest.raises(ImageError):
        pair.ground(tmp_path / "missing.png", QUESTION)


def test_the_blocking_call_is_the_end_of_the_stream(pair, endless):
    assert isinstance(pair.ground(PICTURE, QUESTION), Done)
    with pytest.raises(GroundingFailed, match="without giving an answer") as failure:
        endless.ground(PICTURE, QUESTION)
    assert isinstance(failure.value.failed, Failed)


def test_an_absence_ends_the_run_without_a_box_or_a_mask():
    text = '<think>This is a hand.</think><answer>{"bbox": null, "points_1": null, "points_2": null}</answer>'
    events = list(ground(PICTURE, QUESTION, recorded(text[:9], text[9:40], text[40:]), Box()))
    *before, last = events
    assert isinstance(last, Absent) and not last.found and last.think == "This is a hand."
    assert all(isinstance(event, Thinking) for event in before) and last.model.startswith("someone")
    assert MedReasoner(recorded(text), Box()).ground(PICTURE, QUESTION).found is False
    assert pickle.loads(pickle.dumps(last)) == last


@pytest.mark.parametrize("frame", ["0..1000", "input pixels"])
def test_numbers_between_0_and_1_are_read_as_shares_and_it_is_said(frame):
    body = '{"bbox": [0.25, 0.5, 0.5, 0.75], "points_1": [0.3, 0.6], "points_2": [0.4, 0.7]}'
    done = MedReasoner(recorded(f"<think>Here.</think><answer>{body}</answer>", frame=frame), Box()).ground(
        PICTURE, QUESTION
    )
    assert done.grounding.box == (75, 100, 150, 150) and "shares" in " ".join(done.notes)

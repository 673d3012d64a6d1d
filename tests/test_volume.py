"""A question about a volume: the slice is found, its mask grows, and every end is an event.

python -m pytest tests/test_volume.py
"""

import threading

import numpy as np
import pytest

from medreasoner import MedReasoner
from medreasoner.answer import Absence, render
from medreasoner.certainty import Certainty
from medreasoner.events import (
    Absent,
    Chosen,
    Done,
    Failed,
    Located,
    Propagated,
    Scanned,
    Thinking,
    VolumeDone,
)
from medreasoner.imaging import load_volume
from medreasoner.key_slice import COARSE, first_round, judged
from medreasoner.reasoners.base import Completion
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.mask_propagation import MaskPropagator
from medreasoner.volume import ground_volume
from medreasoner.volume_masks import VolumeSlices, refine_volume, seed_component
from tests import tiny
from tests.data.build.volumes_drawn import nifti
from tests.segmenters.ball import MIDDLE, BrightSegmenter, ball, box_of

QUESTION = "Which part explains a cough that does not go away?"
BALL = ball()


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """The ball as a NIfTI volume that is shown as it is drawn."""
    path = tmp_path_factory.mktemp("volume") / "v.nii.gz"
    noise = np.random.default_rng(0).normal(0, 4, BALL.shape)
    shown = np.where(BALL, 150, 20) + noise
    nifti(path, shown[:, ::-1, ::-1].transpose(2, 1, 0).astype(np.int16), spacing=(1, 1, 2))
    return load_volume(path)


@pytest.fixture(scope="module")
def reasoner(tmp_path_factory):
    folder = tiny.embedded(tmp_path_factory.mktemp("models") / "m", script=tiny.SCRIPT)
    return MedReasoner.from_pretrained(folder, device="cpu").reasoner


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    script = render(Absence(think="Nothing of that kind is to be seen here."))
    folder = tiny.embedded(tmp_path_factory.mktemp("models") / "m", script=script)
    return MedReasoner.from_pretrained(folder, device="cpu")


def test_a_run_finds_a_slice_asks_it_and_grows_its_mask(volume, reasoner):
    events = list(ground_volume(volume, QUESTION, reasoner, BrightSegmenter()))
    kinds = [type(event) for event in events]
    scanned = [event for event in events if isinstance(event, Scanned)]
    assert kinds[: len(scanned)] == [Scanned] * len(scanned) and kinds[len(scanned)] == Chosen
    assert [one.slice for one in scanned[:COARSE]] == first_round(volume.shape[0])
    assert all(one.found and one.rank > 0 for one in scanned)
    after = kinds[len(scanned) + 1 :]
    assert after[0] == Thinking and Located in after and Done not in after and after[-1] == VolumeDone
    done, chosen = events[-1], events[len(scanned)]
    assert done.slice == chosen.slice and done.scanned == tuple(scanned) and not chosen.asked
    assert done.mask.shape == volume.shape and np.array_equal(done.mask[done.slice - 1], done.key.mask)
    assert done.key.think == tiny.THOUGHT


def test_a_chosen_slice_is_taken_as_it_is_and_the_ball_comes_home_whole(volume, reasoner):
    events = list(ground_volume(volume, QUESTION, reasoner, BrightSegmenter(), slice=MIDDLE[0]))
    assert isinstance(events[0], Chosen) and events[0].asked and events[0].slice == MIDDLE[0]
    done = events[-1]
    assert 2 * (done.mask & BALL).sum() / (done.mask.sum() + BALL.sum()) > 0.9
    assert done.volume_ml == pytest.approx(done.mask.sum() * 2 / 1000) and 9 < done.long_axis_mm < 15
    first, last = done.slices
    assert set(done.scores) == set(range(first, last + 1))
    masks = {one.slice: one.mask for one in events if isinstance(one, Propagated)}
    assert all(np.array_equal(done.mask[number - 1], mask) for number, mask in masks.items())


def test_the_embedded_architecture_goes_through_a_volume_with_its_own_segmenter(volume, blind, reasoner):
    pair = MedReasoner(reasoner, blind.segmenter)
    done = pair.ground_volume(volume, QUESTION, slice=5)
    assert done.found and done.mask.shape == volume.shape and done.key.segmenter == blind.segmenter.name
    encoded = blind.segmenter.encode(volume.picture(5))
    prompt = SegmenterPrompt((10, 10, 30, 30))
    mask, score, logits = blind.segmenter.segment_after(encoded, prompt, None)
    plain, plain_score = blind.segmenter.segment(encoded, prompt)
    assert np.array_equal(mask, plain) and score == plain_score
    led = blind.segmenter.segment_after(encoded, prompt, -logits)[2]
    assert logits.shape == led.shape and not np.allclose(led, logits)


def test_absence_in_all_slices_is_the_answer(volume, blind):
    *scanned, last = blind.stream_volume(volume, QUESTION)
    assert [type(event) for event in scanned] == [Scanned] * COARSE and not any(one.found for one in scanned)
    assert isinstance(last, Absent) and last.think == "Nothing of that kind is to be seen here."
    assert f"{COARSE} of {volume.shape[0]} slices were looked at; none shows it." in last.notes


def test_stop_ends_a_run_within_a_slice(volume, reasoner):
    stop = threading.Event()
    run = ground_volume(volume, QUESTION, reasoner, BrightSegmenter(), stop=stop)
    next(run)
    stop.set()
    rest = list(run)
    assert len([event for event in rest if isinstance(event, Scanned)]) <= 3
    assert isinstance(rest[-1], Failed) and rest[-1].reason == "stopped"
    stop = threading.Event()
    run = ground_volume(volume, QUESTION, reasoner, BrightSegmenter(), stop=stop)
    while not (isinstance(event := next(run), Scanned) and event.found):
        pass
    stop.set()
    rest = [event for event in run if not isinstance(event, Scanned)]
    assert [type(event) for event in rest] == [Failed], "it was seen, and is not asked for any more"
    stop = threading.Event()
    run = ground_volume(volume, QUESTION, reasoner, BrightSegmenter(), slice=MIDDLE[0], stop=stop)
    for event in run:
        if isinstance(event, Propagated):
            stop.set()
            break
    (done,) = run
    assert isinstance(done, VolumeDone) and "Stopped before every slice was reached" in done.notes[-1]


def test_a_question_that_cannot_be_asked_is_refused(volume, reasoner):
    (failed,) = ground_volume(volume, "  ", reasoner, BrightSegmenter())
    assert failed.reason == "question"


def test_a_correction_on_any_slice_grows_from_there(volume):
    seeds = {5: box_of(BALL[4]), 10: box_of(BALL[9])}
    found = list(refine_volume(volume, BrightSegmenter(), seeds))
    assert [one.number for one in found][:2] == [5, 10]
    assert {one.number for one in found} >= {5, 6, 7, 8, 9, 10}


def test_only_what_hangs_together_with_the_asked_slice_is_kept():
    mask = np.zeros((6, 20, 20), bool)
    mask[1, 2:5, 2:5] = mask[2, 5:8, 5:8] = True  # they touch at a corner in space
    mask[2, 15:18, 15:18] = mask[5, 2:5, 2:5] = True
    seed = np.zeros((20, 20), bool)
    seed[2:5, 2:5] = True
    kept = seed_component(mask, {2: seed})
    assert kept.sum() == 18 and not kept[5].any() and not kept[2, 15:].any()
    assert not seed_component(mask, {4: seed}).any()


def test_each_slice_is_encoded_once_and_its_picture_opened_once(volume):
    opened = []

    class Counting:
        shape = volume.shape

        def picture(self, number):
            opened.append(number)
            return volume.picture(number)

    list(
        MaskPropagator(BrightSegmenter()).propagate(
            VolumeSlices(Counting(), BrightSegmenter()), {8: box_of(BALL[7])}
        )
    )
    assert sorted(set(opened)) == sorted(opened)[: len(set(opened))] or opened.count(8) <= 2
    assert all(opened.count(number) == 1 for number in opened if number != 8)


def test_answers_are_ranked_by_their_certainty(reasoner, volume):
    image = reasoner.encode(volume.picture(5))
    assert judged(Completion(render(Absence()), 0.1), image, reasoner) == (False, 0.0)
    assert judged(Completion("no answer", 0.1), image, reasoner) == (None, 0.0)
    certainty = Certainty(coordinate_probability=0.3)
    assert judged(Completion(tiny.SCRIPT, 0.1, certainty=certainty), image, reasoner) == (True, 0.3)

"""How far a model's samples agree. Models are tiny (tiny.py) and run for real."""

import threading

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner import MedReasoner, ReasonerError
from medreasoner.image_cache import ImageCache
from medreasoner.metrics import Agreement, agreement
from medreasoner.reasoners.replay import ReplayReasoner, record
from tests import tiny

QUESTION = "Which part explains a cough that does not go away?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> MedReasoner:
    return MedReasoner.from_pretrained(
        tiny.embedded(tmp_path_factory.mktemp("pair") / "m", script=tiny.SCRIPT), device="cpu"
    )


def test_nearly_without_chance_every_sample_is_the_answer(pair):
    done = pair.ground(PICTURE, QUESTION)
    samples = list(pair.samples(PICTURE, QUESTION, 3, temperature=0.01))
    assert [sample.grounding for sample in samples] == [done.grounding] * 3
    assert all(sample.seconds > 0 for sample in samples)


def test_by_much_chance_samples_differ_and_what_cannot_be_read_is_none(pair):
    torch.manual_seed(0)
    texts = {
        "".join(pair.reasoner.sample(pair.reasoner.encode(PICTURE), QUESTION, temperature=5.0))
        for _ in range(3)
    }
    assert len(texts) == 3
    assert [sample.box for sample in pair.samples(PICTURE, QUESTION, 2, temperature=5.0)] == [None, None]


def test_the_same_seed_gives_the_same_samples(pair):
    encoded = pair.reasoner.encode(PICTURE)
    torch.manual_seed(3)
    first = "".join(pair.reasoner.sample(encoded, QUESTION))
    torch.manual_seed(3)
    assert "".join(pair.reasoner.sample(encoded, QUESTION)) == first


def test_the_image_is_not_taken_in_again_where_a_run_has_kept_it(pair, monkeypatch):
    cache = ImageCache()
    *_, done = pair.stream(PICTURE, QUESTION, cache=cache)
    assert cache.reasoner_encoding.features is None, "the feature maps would be held twice"
    monkeypatch.setattr(
        type(pair.reasoner), "encode", lambda self, image: pytest.fail("the image was taken in again")
    )
    [sample] = pair.samples(PICTURE, QUESTION, 1, temperature=0.01, cache=cache)
    assert sample.grounding == done.grounding


def test_stop_ends_the_samples_and_the_unfinished_one_is_left_out(pair):
    stop = threading.Event()
    samples = pair.samples(PICTURE, QUESTION, 5, temperature=0.01, stop=stop)
    assert next(samples).grounding is not None
    stop.set()
    assert list(samples) == []


def test_what_cannot_be_sampled_says_so(pair):
    replay = MedReasoner(ReplayReasoner([record(pair.reasoner, PICTURE, QUESTION)]), pair.segmenter)
    assert pair.can_sample and not replay.can_sample
    with pytest.raises(ReasonerError, match="cannot be sampled"):
        next(replay.samples(PICTURE, QUESTION))
    for wrong in ({"question": " "}, {"number": 0}, {"temperature": 0.0}):
        with pytest.raises(ValueError, match="question is empty|at least one sample"):
            next(pair.samples(PICTURE, **{"question": QUESTION, **wrong}))


def test_agreement_counts_pairs_and_those_that_overlap_the_answer_by_half():
    square, half, apart = (0, 0, 10, 10), (0, 0, 10, 5), (20, 20, 30, 30)
    agreed = agreement([square, half, apart, None], square)
    assert (agreed.agreeing, agreed.number) == (2, 4)
    assert agreed.pairwise_iou == pytest.approx(0.5 / 6)
    assert agreement([square], square).pairwise_iou is None
    assert agreement([], square).agreeing == 0
    assert agreement([square, square], apart) == Agreement(1.0, 0, 2)

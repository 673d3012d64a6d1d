"""How sure a model is: the probability of the coordinates it wrote, and how far its samples agree.

Models are tiny (tiny.py) and run for real. A probability is held against the one that `generate` itself gives
out.
"""

import json
import math
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner import MedReasoner, ReasonerError
from medreasoner.answer import Closing, coordinate_spans
from medreasoner.image_cache import ImageCache
from medreasoner.metrics import Agreement, agreement
from medreasoner.reasoners.dialects import in_our_format
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.reasoners.replay import ReplayReasoner, record
from medreasoner.reasoners.streaming import TextListener, coordinate_probability
from tests import tiny

QUESTION = "Which part explains a cough that does not go away?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))
ANSWER = '<think>[1, 2]</think><answer>{"bbox": [617, 2.5, 30, 40], "points_1": [5, 6], "points_2": [7, 8]}</answer>'


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> MedReasoner:
    return MedReasoner.from_pretrained(
        tiny.embedded(tmp_path_factory.mktemp("pair") / "m", script=tiny.SCRIPT), device="cpu"
    )


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    return load_reasoner(
        tiny.qwen2_5_vl(tmp_path_factory.mktemp("qwen") / "m", script=tiny.SCRIPT), device="cpu"
    )


# The probability of the coordinates


@pytest.mark.parametrize(
    "text, numbers",
    [
        (ANSWER, ["617", "2.5", "30", "40", "5", "6", "7", "8"]),
        (ANSWER.replace('"', "'"), ["617", "2.5", "30", "40", "5", "6", "7", "8"]),
        (
            ANSWER.replace('"points_1"', '"bbox": [1, 2, 3, -4], "points_1"'),
            ["1", "2", "3", "-4", "5", "6", "7", "8"],
        ),  # as JSON reads it
        (
            f'<think>as <answer>{{"bbox": [9, 9, 9, 9]}}</answer></think>{ANSWER}',
            ["617", "2.5", "30", "40", "5", "6", "7", "8"],
        ),  # a draft does not count
        (ANSWER.replace("[5, 6]", "[5]"), []),
        (ANSWER.replace("points_2", "points_3"), []),
        (ANSWER.replace("<answer>", ""), []),
        ("", []),
    ],
)
def test_the_eight_numbers_of_an_answer_are_found_where_they_stand(text, numbers):
    assert [text[start:end] for start, end in coordinate_spans(text)] == numbers


def test_a_number_of_several_tokens_is_as_probable_as_all_of_them_together():
    pieces = [
        '<answer>{"bbox": [',
        "6",
        "17",
        ", ",
        "2",
        ".5",
        ", ",
        "30",
        ", ",
        "40",
        '], "points_1": [',
        "5",
        ", 6",
        '], "points_2": [',
    ]
    pieces += ["7", ", ", "8", "]}</answer>"]
    of = {
        "6": 0.5,
        "17": 0.2,
        "2": 0.9,
        ".5": 0.8,
        "30": 0.7,
        "40": 0.6,
        "5": 0.4,
        ", 6": 0.3,
        "7": 0.95,
        "8": 0.1,
    }
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    log_p = [math.log(of.get(piece, 1e-9)) for piece in pieces]
    numbers = [0.5 * 0.2, 0.9 * 0.8, 0.7, 0.6, 0.4, 0.3, 0.95, 0.1]
    assert coordinate_probability("".join(pieces), ends, log_p) == pytest.approx(
        math.prod(numbers) ** (1 / 8)
    )
    assert coordinate_probability("".join(pieces), ends, [math.nan] * len(pieces)) is None
    assert coordinate_probability("no answer", [9], [0.0]) is None


def test_the_probability_of_digit_tokens_is_that_of_the_models_logits(qwen):
    """Heard token by token, with logits of our own; where each token stands is what the tokenizer says."""
    tokenizer = qwen._processor.tokenizer
    coded = tokenizer(ANSWER, add_special_tokens=False, return_offsets_mapping=True)
    logits = torch.randn(len(coded.input_ids), len(tokenizer), generator=torch.Generator().manual_seed(0))
    listener, heard = TextListener(tokenizer, threading.Event()), []
    for token, row in zip(coded.input_ids, logits, strict=True):
        before = listener.log_probs(torch.tensor([heard]), row[None])
        assert before[0] is not None and torch.equal(before[0], row), (
            "a processor that only listens changes nothing"
        )
        heard.append(token)
        listener(torch.tensor([heard]), None)
    listener.end()
    *_, last = iter(listener.pieces.get, None)
    chosen = logits.log_softmax(-1)[range(len(heard)), heard]
    spans = coordinate_spans(ANSWER)
    tokens = [
        [chosen[n] for n, (a, b) in enumerate(coded.offset_mapping) if a < end and b > start]
        for start, end in spans
    ]
    assert max(map(len, tokens)) > 1, "no number of this answer has several tokens"
    assert last.coordinate_probability == pytest.approx(math.exp(sum(map(sum, tokens)) / 8), rel=1e-4)


def test_a_run_ends_with_the_probability_that_generate_itself_gives(pair):
    reasoner = pair.reasoner
    done = pair.ground(PICTURE, QUESTION)
    inputs = reasoner._inputs(reasoner.encode(PICTURE), QUESTION, think=True)
    out = reasoner._model.generate(**inputs, return_dict_in_generate=True, output_logits=True)
    written = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    chosen = [
        logits[0].log_softmax(-1)[token].item() for token, logits in zip(written, out.logits, strict=True)
    ]
    texts = [reasoner._processor.tokenizer.decode([token]) for token in written]
    begin = (
        texts.index("<answer>")
        if "<answer>" in texts
        else next(n for n, text in enumerate(texts) if "<answer>" in text)
    )
    numbers = [
        p
        for p, text in zip(chosen[begin:], texts[begin:], strict=True)
        if text.strip(' "{}[],:')[:1].isdigit()
    ]
    assert len(numbers) == 8
    assert done.coordinate_probability == pytest.approx(math.exp(sum(numbers) / 8), rel=1e-3)
    assert 0 < done.coordinate_probability < 1


def test_a_dialect_hands_the_probability_on_only_for_an_answer_in_our_format():
    pieces = [ANSWER[:40], Closing(ANSWER[40:], 0.25)]
    *_, last = in_our_format(iter(pieces), ("json",))
    assert last.coordinate_probability == 0.25
    *_, last = in_our_format(iter(['{"bbox_2d": [1, 2, 3, 4]}']), ("json",))
    assert not isinstance(last, Closing)


def test_a_recording_cannot_tell(pair, tmp_path):
    (tmp_path / "runs.json").write_text(json.dumps([record(pair.reasoner, PICTURE, QUESTION)]))
    assert (
        MedReasoner(ReplayReasoner.load(tmp_path / "runs.json"), pair.segmenter)
        .ground(PICTURE, QUESTION)
        .coordinate_probability
        is None
    )


# Samples


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

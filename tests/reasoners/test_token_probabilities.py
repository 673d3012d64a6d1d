"""How certain a model is of its answer, read from the probabilities of its tokens.

Held against logits of our own, and against those that `generate` itself gives out for the embedded model.
"""

import json
import math
import threading

import numpy as np
import pytest
import torch

from medreasoner import MedReasoner
from medreasoner.answer import Absence, Answer, render
from medreasoner.answer_parts import coordinate_spans
from medreasoner.certainty import UNKNOWN, Certainty, Closing
from medreasoner.imaging import load_image
from medreasoner.page.examples import load_examples
from medreasoner.reasoners.answer_tokens import AnswerTokens
from medreasoner.reasoners.dialects import in_our_format
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.reasoners.replay import ReplayReasoner, record
from medreasoner.reasoners.streaming import TextListener
from medreasoner.reasoners.token_probabilities import Written, certainty
from tests import tiny, tiny_medreasoner

EXAMPLE = load_examples()[0]
QUESTION = EXAMPLE.question
PICTURE = load_image(EXAMPLE.image).image  # of noise the embedded model says that it shows nothing
ANSWER = '<think>[1, 2]</think><answer>{"bbox": [617, 2.5, 30, 40], "points_1": [5, 6], "points_2": [7, 8]}</answer>'
NO_TOKENS = AnswerTokens(*(np.zeros(0, kind) for kind in (int, int, float, bool, bool)))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory):
    return load_reasoner(
        tiny.qwen2_5_vl(tmp_path_factory.mktemp("qwen") / "m", script=tiny.SCRIPT), device="cpu"
    )


def heard(tokenizer, text: str, logits: torch.Tensor) -> Certainty:
    """What a listener tells of `text`, written token by token with these logits (T, V)."""
    listener = TextListener(tokenizer, threading.Event(), AnswerTokens.of(tokenizer))
    ids = tokenizer(text, add_special_tokens=False).input_ids
    for n, (token, row) in enumerate(zip(ids, logits, strict=True)):
        before = listener.probabilities(torch.tensor([ids[:n]]), row[None])
        assert torch.equal(before[0], row), "a processor that only listens changes nothing"
        listener(torch.tensor([[token]]), None)
    listener.end()
    *_, last = iter(listener.pieces.get, None)
    assert isinstance(last, Closing)
    return last.certainty


def test_a_number_of_several_tokens_is_as_probable_as_all_of_them_together():
    numbers = [["6", "17"], ["2", ".5"], ["30"], ["40"], ["5"], [", 6"], ["7"], ["8"]]
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
    ]
    pieces += [", 6", '], "points_2": [', "7", ", ", "8", "]}</answer>"]
    of = dict(zip(sum(numbers, []), (0.5, 0.2, 0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.95, 0.1), strict=True))
    ends = np.cumsum([len(piece) for piece in pieces]).tolist()
    log_p = np.log([of.get(piece, 1e-9) for piece in pieces])

    def found(log_p: np.ndarray) -> float | None:
        written = Written(range(len(pieces)), log_p, np.zeros((len(pieces), 0)))
        return certainty("".join(pieces), ends, written, NO_TOKENS).coordinate_probability

    expected = math.prod(math.prod(of[piece] for piece in number) for number in numbers) ** (1 / 8)
    assert found(log_p) == pytest.approx(expected)
    assert found(np.full(len(pieces), math.nan)) is None
    nothing = Written([0], np.zeros(1), np.zeros((1, 0)))
    assert certainty("no answer", [9], nothing, NO_TOKENS) == UNKNOWN


def test_digit_tokens_are_read_in_their_place_value(qwen):
    """Held against the logits by hand, with the places of the tokens that the tokenizer itself gives."""
    tokenizer = qwen._processor.tokenizer
    coded = tokenizer(ANSWER, add_special_tokens=False, return_offsets_mapping=True)
    logits = torch.randn(len(coded.input_ids), len(tokenizer), generator=torch.Generator().manual_seed(0))
    found = heard(tokenizer, ANSWER, logits)
    chances = logits.double().softmax(-1)
    spans = coordinate_spans(ANSWER)
    tokens = [
        [n for n, (a, b) in enumerate(coded.offset_mapping) if a < end and b > start] for start, end in spans
    ]
    assert max(map(len, tokens)) > 1, "no number of this answer has several tokens"
    product = math.prod(float(chances[n, coded.input_ids[n]]) for of in tokens for n in of)
    assert found.coordinate_probability == pytest.approx(product ** (1 / 8), rel=1e-4)

    vocabulary = {
        text.replace("Ġ", " ").removeprefix(" "): [] for text in tokenizer.get_vocab() if text[-1].isdecimal()
    }
    for text, number in tokenizer.get_vocab().items():
        vocabulary.get(text.replace("Ġ", " ").removeprefix(" "), []).append(number)

    def deviation(of: list[int], whole: str) -> float:
        variance, left = 0.0, len(whole)
        for n in of:
            text = tokenizer.decode([coded.input_ids[n]]).strip()
            if not left or not text.isdigit():
                continue
            left -= len(text)
            rivals = [
                (float(rival), number)
                for rival, numbers in vocabulary.items()
                for number in numbers
                if rival.isdecimal() and (len(text) == len(whole) or len(rival) == len(text))
            ]
            values = np.array([value for value, _ in rivals])
            p = chances[n, [number for _, number in rivals]].numpy()
            variance += 100**left * np.average((values - np.average(values, weights=p)) ** 2, weights=p)
        return math.sqrt(variance)

    numbers = [ANSWER[start:end] for start, end in spans[:4]]
    expected = [deviation(of, text.split(".")[0]) for of, text in zip(tokens, numbers, strict=False)]
    sides = (617 - 30, 40 - 2.5)
    assert found.coordinate_spread == pytest.approx(
        [d / sides[n % 2] for n, d in enumerate(expected)], rel=1e-4
    )


def test_the_certainty_of_the_embedded_model_is_that_of_generates_own_logits(embedded):
    reasoner = embedded.reasoner
    done = embedded.ground(PICTURE, QUESTION)
    tokenizer = reasoner._processor.tokenizer
    inputs = reasoner._inputs(reasoner.encode(PICTURE), QUESTION, think=True)
    out = reasoner._model.generate(**inputs, return_dict_in_generate=True, output_logits=True)
    written = out.sequences[0, inputs["input_ids"].shape[1] :].tolist()
    begin = written.index(tokenizer.convert_tokens_to_ids("<answer>"))
    chances = torch.stack(out.logits)[:, 0].double().softmax(-1)
    steps = [n for n in range(begin, len(written)) if tokenizer.convert_ids_to_tokens(written[n]).isdecimal()]
    assert len(steps) == 8
    product = math.prod(float(chances[n, written[n]]) for n in steps)
    assert done.certainty.coordinate_probability == pytest.approx(product ** (1 / 8), rel=1e-3)
    numbers = {text: number for text, number in tokenizer.get_vocab().items() if text.isdecimal()}
    assert len(numbers) >= 256
    values = np.array([float(text) for text in numbers])
    box = [float(tokenizer.decode([written[n]])) for n in steps[:4]]
    for place, n in enumerate(steps[:4]):
        p = chances[n, list(numbers.values())].numpy()
        deviation = math.sqrt(np.average((values - np.average(values, weights=p)) ** 2, weights=p))
        side = max(1.0, box[place % 2 + 2] - box[place % 2])
        assert done.certainty.coordinate_spread[place] == pytest.approx(deviation / side, rel=1e-3)
        assert 0 < deviation < 128
    assert 0.5 < done.certainty.presence <= 1, "it was found"


def test_a_batch_is_as_certain_as_a_stream(embedded):
    reasoner = embedded.reasoner
    encoded = [reasoner.encode(PICTURE), reasoner.encode(PICTURE.rotate(180))]
    asked = ["Which part explains a cough?", "Where would fluid collect, if at all, in a man of eighty?"]
    alone = [list(reasoner.stream(*one))[-1].certainty for one in zip(encoded, asked, strict=True)]
    together = [said.certainty for said in reasoner.answer_batch(encoded, asked, at_once=2)]
    for one, other in zip(alone, together, strict=True):
        for name in ("coordinate_probability", "coordinate_spread", "presence"):
            expected = getattr(one, name)  # None in an answer that names no place
            assert getattr(other, name) == (None if expected is None else pytest.approx(expected, rel=1e-3))


@pytest.mark.parametrize("absent", [False, True])
def test_presence_is_read_where_the_first_value_begins(absent):
    """With the vocabulary of the second architecture, in which one token opens a box and one says that there
    is none."""
    tokenizer = tiny_medreasoner.tokenizer()
    place, absence = (tokenizer.convert_tokens_to_ids(text) for text in PLACE_AND_ABSENCE)
    text = render(Absence("No.") if absent else Answer((1, 2, 30, 40), ((5, 6), (7, 8)), think="Yes."))
    ids = tokenizer(text, add_special_tokens=False).input_ids
    at = ids.index(absence if absent else place)
    logits = torch.full((len(ids), len(tokenizer)), -20.0)
    logits[at, [place, absence]] = torch.tensor([0.6, 0.2]).log()
    found = heard(tokenizer, text, logits)
    assert found.presence == pytest.approx(0.75, abs=1e-3)
    assert (found.coordinate_spread is None) == (found.coordinate_probability is None) == absent


PLACE_AND_ABSENCE = ('{"bbox": [', '{"bbox": null, "points_1": null, "points_2": null}')


def test_a_dialect_hands_the_certainty_on_only_for_an_answer_in_our_format():
    pieces = [ANSWER[:40], Closing(ANSWER[40:], Certainty(0.25))]
    *_, last = in_our_format(iter(pieces), ("json",))
    assert last.certainty.coordinate_probability == 0.25
    *_, last = in_our_format(iter(['{"bbox_2d": [1, 2, 3, 4]}']), ("json",))
    assert not isinstance(last, Closing)


def test_a_recording_cannot_tell(tmp_path):
    pair = MedReasoner.from_pretrained(tiny.embedded(tmp_path / "m", script=tiny.SCRIPT), device="cpu")
    (tmp_path / "runs.json").write_text(json.dumps([record(pair.reasoner, PICTURE, QUESTION)]))
    replayed = MedReasoner(ReplayReasoner.load(tmp_path / "runs.json"), pair.segmenter)
    done = replayed.ground(PICTURE, QUESTION)
    assert done.certainty == UNKNOWN and done.confidence is None

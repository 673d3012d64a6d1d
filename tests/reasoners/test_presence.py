"""The presence head decides, and `generate`, batches and our loop write what it decided."""

import json
import shutil
from dataclasses import asdict

import pytest
import torch

from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.presence import Decision, Presence, steer
from medreasoner.reasoners.presence_rule import PresenceRule
from medreasoner.reasoners.registry import load_reasoner
from tests import tiny_medreasoner
from tests.reasoners.small_models import picture
from train.embedded.presence import rule_of

THINK, ANSWER, PLACE, NOWHERE, STOP, WHERE, CLOSE = range(7)
RULE = PresenceRule(
    layers=(1, 3),
    width=8,
    think=THINK,
    answer=ANSWER,
    place=PLACE,
    nowhere=NOWHERE,
    named=(10, 11),
    sentence_end=STOP,
    refusals=((20, 21), (22,)),
    repeats=((WHERE, 70),),
    close=CLOSE,
    others=((80,), (81, 82)),
    separators=((32,), (33,), (32, 34)),
    end=(35, 36),
    numbers=(37, 38, 39),
)
NAMED = (THINK, 10, 11, 30, 31, STOP)


@pytest.mark.parametrize("answer", [(PLACE, 37, 32, 39, 33, 38, 32, 34, 35, 36), (NOWHERE, 35, 36)])
def test_an_answer_that_has_begun_is_written_to_its_end(answer):
    begun = (*NAMED, 37, CLOSE, ANSWER)
    assert RULE.in_answer(begun) == () and RULE.in_answer(begun[:-1]) == [ANSWER]
    for length in range(1, len(answer)):
        may = RULE.in_answer(begun + answer[:length])
        assert tuple(may) == (RULE.numbers if answer[length] in RULE.numbers else (answer[length],))
    assert RULE.in_answer(begun + answer) == () == RULE.in_answer((*begun, *answer, 7))


def test_an_answer_does_not_begin_within_a_reasoning():
    held, free = torch.zeros(200), torch.zeros(200)
    presence = Presence(RULE, [Decision(2.0, -9.0)])
    for token in NAMED:
        presence.follow(0, token)
        held = presence.steered(0, free)
        assert (held[[ANSWER, PLACE, NOWHERE, *RULE.end]] == -torch.inf).all() and held[CLOSE] == 0
    presence.follow(0, CLOSE)
    assert presence.steered(0, free).isfinite().nonzero().flatten().tolist() == [ANSWER]


@pytest.mark.parametrize(
    ("written", "may"),
    [
        ((), set()),
        ((THINK,), set()),
        ((THINK, 10, 11), set()),
        (NAMED, {20, 22, CLOSE}),
        ((*NAMED, 20), {21}),
        ((*NAMED, 22), set()),
        ((*NAMED, CLOSE), set()),
        ((*NAMED, 20, 21, 50), set()),
        ((*NAMED, 20, 21, 50, WHERE), {30}),
        ((*NAMED, 20, 21, 50, WHERE, 30), {31}),
        ((*NAMED, 20, 21, 50, WHERE, 30, 31), {70}),
        ((*NAMED, 20, 21, 50, WHERE, 30, 31, 70), set()),
        ((*NAMED, 20, 21, 50, STOP, WHERE), set()),
        ((*NAMED, 40, WHERE), set()),
        ((THINK, 60, STOP, 22, WHERE), set()),
        ((ANSWER,), set()),
    ],
)
def test_what_may_come_next_where_nothing_is_to_be_marked(written, may):
    assert RULE.next(written, asks_nothing=False) == may


@pytest.mark.parametrize(
    ("written", "may"),
    [
        ((), set()),
        ((THINK,), {80, 81}),
        ((THINK, 81), {82}),
        ((THINK, 80), set()),
        (NAMED, set()),
        ((ANSWER,), set()),
    ],
)
def test_what_a_reasoning_may_begin_with_where_nothing_is_asked(written, may):
    assert RULE.next(written, asks_nothing=True) == may


@pytest.mark.parametrize(
    ("odds", "words", "written", "changed"),
    [
        (1.5, 1, (ANSWER,), True),
        (1.5, -1, (ANSWER,), True),
        (1.5, -1, (*NAMED, CLOSE, ANSWER), False),
        (-1.5, 1, (*NAMED, CLOSE, ANSWER), True),
    ],
)
def test_the_head_decides_unless_a_reasoning_has_refused(odds, words, written, changed):
    logits = torch.zeros(1, len(written), 40)
    logits[..., PLACE] = words
    steered = steer(Presence(RULE, [Decision(odds, -1.0)]), [written], [{}], logits)[0, -1]
    assert torch.equal(steered, logits[0, -1]) != changed
    if changed:
        assert (steered[PLACE] > steered[NOWHERE]) == (odds > 0)


def test_words_need_better_odds_for_a_refusal_than_the_heads():
    written = [*NAMED, 20]
    steered = steer(Presence(RULE, [Decision(2.5, -1.0)]), [written], [{}], torch.zeros(1, len(written), 40))[
        0
    ]
    lowered = ((steered != 0) & steered.isfinite()).nonzero().tolist()  # what no reasoning may hold aside
    assert lowered == [[len(NAMED) - 1, 22], [len(NAMED), 21]]
    assert all(steered[row, token] == -2.5 for row, token in lowered)


def test_place_and_nowhere_share_their_probability_by_the_odds():
    logits = torch.randn(1, 1, 40, generator=torch.Generator().manual_seed(0))
    logits[..., PLACE] = 2.0
    presence = Presence(RULE, [Decision(1.5, -1.0)])
    steered = steer(presence, [[ANSWER]], [{}], logits)
    before, after = logits.softmax(-1)[0, 0], steered.softmax(-1)[0, 0]
    assert after[PLACE] + after[NOWHERE] == pytest.approx(float(before[PLACE] + before[NOWHERE]))
    assert (after[PLACE] / after[NOWHERE]).log() == pytest.approx(1.5, abs=1e-4)
    rest = [n for n in range(40) if n not in (PLACE, NOWHERE)]
    assert torch.allclose(after[rest], before[rest], atol=1e-6)


def test_rows_are_decided_apart_and_nothing_before_a_prompt_has_ended():
    logits = torch.zeros(3, 2, 40)
    presence = Presence(RULE, [None] * 3)
    tokens = [7, *NAMED]
    steered = steer(presence, [tokens] * 3, [{0: Decision(2.0, 5.0)}, {0: Decision(-2.0, -5.0)}, {}], logits)
    assert steered[0, 1, 22] == -2.0 and steered[2].isfinite().all()
    in_reasoning = [n for n in range(40) if n not in (ANSWER, PLACE, NOWHERE, *RULE.end)]
    assert steered[1, 0].isfinite().nonzero()[:, 0].tolist() == in_reasoning
    assert steered[1, 1].isfinite().nonzero().flatten().tolist() == [CLOSE, 20, 22]
    assert presence.decisions == [(2.0, 5.0), (-2.0, -5.0), None] and presence.written == [
        [*NAMED],
        [*NAMED],
        [],
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_medreasoner.folder(
        tmp_path_factory.mktemp("model") / "folder", max_new_tokens=40, presence=True
    )


@pytest.mark.parametrize("odds", [3.0, -3.0])
def test_every_way_of_decoding_keeps_to_the_head(folder, odds):
    """With random weights, so that nothing but the head can be why."""
    reasoner = load_reasoner(folder, device="cpu")
    model, rule = reasoner._model, reasoner._model.presence_head.rule
    with torch.no_grad():
        model.presence_head.out.weight.zero_()
        model.presence_head.out.bias.fill_(odds)
    encoded = reasoner.encode(picture())
    inputs = reasoner._inputs(encoded, "Where is it?", False)
    tokens = []
    reasoner._runs.decoder.write(inputs, lambda token, scores: tokens.append(int(token)) or len(tokens) == 2)
    wanted = rule.place if odds > 0 else rule.nowhere
    with torch.no_grad():
        scores = model(
            **reasoner._inputs(encoded, "Where is it?", False) | {"input_ids": _with(inputs, tokens[:1])}
        ).logits
    share = scores[0, -1, [rule.place, rule.nowhere]].softmax(-1)
    if odds < 0 or share[0] > 0.5:
        assert share[0] == pytest.approx(torch.tensor(odds).sigmoid().item(), abs=1e-4)
    assert tokens[0] == rule.answer and (tokens[1] == wanted or tokens[1] not in (rule.place, rule.nowhere))
    thought = reasoner._inputs(encoded, "Where is it?", True)
    streamed = []
    reasoner._runs.decoder.write(thought, lambda token, scores: streamed.append(int(token)) and False)
    batched = model.generate(**thought)[0, thought["input_ids"].shape[1] :].tolist()
    assert streamed[: len(batched)] == batched[: len(streamed)]


def _with(inputs, tokens):
    return torch.cat([inputs["input_ids"], torch.tensor([tokens])], 1)


def test_a_saved_head_is_loaded_again(folder):
    model = load_reasoner(folder, device="cpu")._model
    assert model.presence_head.rule.settings() == model.config.presence
    assert asdict(model.presence_head.rule) == asdict(rule_of(tiny_medreasoner.tokenizer(), (1, 2), 8))
    assert (
        model.presence_head.middle.weight.shape == (8, 64)
        and model.presence_head.middle.weight.abs().sum() > 0
    )


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"presence": 5}, "presence in config.json must have layers, width"),
        ({"presence": {"layers": [0]}}, "presence in config.json must have layers, width"),
        ({"width": 10**9}, "presence.width in config.json must be a whole number from 1 to 4096"),
        ({"layers": [4]}, r"presence.layers in config.json must be a list of numbers from 0 to 3, got \[4\]"),
        ({"named": 7}, "presence.named in config.json must be a list of numbers"),
        ({"refusals": [["a"]]}, "presence.refusals in config.json must be a list of numbers"),
        ({"repeats": [[1]]}, "presence.repeats in config.json must be pairs"),
        ({"openings": [5]}, "openings in config.json must be a list of pairs"),
        ({"openings": [[[1, 2], 10**9]]}, "openings in config.json must be a list of numbers from 0"),
    ],
)
def test_a_checkpoint_with_settings_that_mean_nothing_is_refused_in_words(folder, tmp_path, changed, named):
    shutil.copytree(folder, tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    inside = changed.keys() - {"presence", "openings"}
    changed = {"presence": config["presence"] | changed} if inside else changed
    (tmp_path / "m" / "config.json").write_text(json.dumps(config | changed))
    with pytest.raises(ReasonerError, match=named):
        load_reasoner(tmp_path / "m", device="cpu")

"""The output format in both directions; no text of a model may raise or hang."""

import math
import time

import pytest
from hypothesis import given

from medreasoner.answer import EXAMPLE, MAX_BODY, Absence, Answer, oddities, parse, render
from tests.answers_written import ANSWER, GOOD, MANY, answers, wrapped


@MANY
@given(answers)
def test_what_is_rendered_is_parsed_back_exactly(answer):
    parsed = parse(render(answer))
    assert parsed.answer == answer
    assert parsed.reason is None and parsed.detail is None
    assert parsed.met == (("no think block",) if answer.think is None else ())


@pytest.mark.parametrize("think", [None, "", "it is a hand, not a chest"])
def test_an_absence_is_an_answer_of_its_own(think):
    parsed = parse(render(Absence(think)))
    assert parsed.absent and parsed.answer is None and parsed.reason is None and parsed.think == think
    assert not parse(render(ANSWER)).absent


def test_only_part_of_the_keys_null_is_no_absence():
    parsed = parse(wrapped('{"bbox": null, "points_1": [5, 6], "points_2": [7, 8]}'))
    assert not parsed.absent and parsed.reason == "wrong shape"


def test_whole_numbers_are_written_without_a_decimal_point():
    assert render(ANSWER) == wrapped(GOOD)


def test_the_example_in_the_prompt_is_itself_a_good_answer():
    assert parse(EXAMPLE).met == ()


@pytest.mark.parametrize(
    ("text", "met"),
    [
        (wrapped(GOOD), ()),
        (wrapped(GOOD.replace('"', "'")), ("single quotes",)),
        (wrapped(f"```json\n{GOOD}\n```"), ("code fence",)),
        (wrapped(f"```\n{GOOD}```"), ("code fence",)),
        (wrapped(GOOD.replace("[1, 2, 30, 40]", "[１, ２, ３０, ４０]")), ("full-width digits",)),
        (wrapped(GOOD.replace("[1, 2, 30, 40]", "[1, 2, 30, 40,]")), ("trailing comma",)),
        (wrapped(GOOD.replace("[1, 2, 30, 40]", '["1", 2, " 30", 40]')), ("numbers as text",)),
        (f"it is bright\n</think>\n\n<answer>{GOOD}</answer>", ()),  # the template wrote the opening tag
        (f"<think>it is bright<answer>{GOOD}</answer>", ("reasoning not closed",)),
        (wrapped(f"Here it is: {GOOD}."), ("text around the object",)),
        (wrapped(f"\n {GOOD} \n"), ()),
        (wrapped(GOOD) + "\n", ()),
        (f"Sure! {wrapped(GOOD)} I hope this helps.", ("text outside the blocks",)),
        (wrapped(GOOD) + "<answer>{}</answer>", ("several answer blocks",)),
        (f"<answer>{GOOD}</answer>", ("no think block",)),
        (f"<answer>{GOOD}</answer><think>it is bright</think>", ()),
        (
            wrapped("```json\n" + GOOD.replace('"', "'") + "\n```") + " done",
            ("text outside the blocks", "code fence", "single quotes"),
        ),
    ],
)
def test_oddities_are_read_all_the_same_and_named(text, met):
    parsed = parse(text)
    assert parsed.met == met
    assert parsed.answer is not None
    assert (parsed.answer.bbox, parsed.answer.points) == (ANSWER.bbox, ANSWER.points)
    assert parsed.answer.think == parsed.think == (None if "no think block" in met else "it is bright")


def test_what_was_odd_is_one_sentence_and_a_missing_reasoning_is_not_odd():
    assert oddities(parse(wrapped(GOOD))) == oddities(parse(f"<answer>{GOOD}</answer>")) == ()
    (sentence,) = oddities(parse(wrapped(f"```\n{GOOD}```")))
    assert sentence == "The answer's form was off (code fence); it could be read all the same."


def with_bbox(literal: str) -> str:
    return wrapped(GOOD.replace("[1, 2, 30, 40]", literal))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no answer block"),
        ("I cannot help with that.", "no answer block"),
        ("<think>it is bright</think>", "no answer block"),
        ("<think>for ever and ever", "no answer block"),
        ("</answer><answer", "no answer block"),
        ("<think>it is bright</think><answer>" + GOOD, "not closed"),
        ("</answer><answer>", "not closed"),
        (wrapped(""), "not JSON"),
        (wrapped("the left kidney"), "not JSON"),
        (wrapped("[1, 2, 30, 40]"), "not JSON"),
        (wrapped(GOOD[:-1]), "not JSON"),
        (wrapped("{bbox: [1, 2, 30, 40]}"), "not JSON"),
        (wrapped("{'bbox': 'it's here'}"), "not JSON"),
        (with_bbox("[" + "9" * MAX_BODY + ", 2, 30, 40]"), "not JSON"),
        (with_bbox("[" * 1500 + "]" * 1500), "not JSON"),
        (wrapped("{}"), "missing key"),
        (wrapped('{"bbox": [1, 2, 30, 40], "points_1": [5, 6]}'), "missing key"),
        (wrapped(GOOD.replace("bbox", "bbox_2d")), "missing key"),
        (with_bbox("[1, 2, 30]"), "wrong shape"),
        (with_bbox("[1, 2, 30, 40, 50]"), "wrong shape"),
        (with_bbox("7"), "wrong shape"),
        (with_bbox('"1 2 30 40"'), "wrong shape"),
        (with_bbox("null"), "wrong shape"),
        (with_bbox("[[1, 2], [30, 40]]"), "wrong shape"),
        (wrapped(GOOD.replace("[5, 6]", "[5, 6, 7]")), "wrong shape"),
        (with_bbox("[NaN, 2, 30, 40]"), "not a number"),
        (with_bbox("[1, 2, Infinity, 40]"), "not a number"),
        (with_bbox("[1, 2, 30, -Infinity]"), "not a number"),
        (with_bbox("[1, 2, 1e999, 40]"), "not a number"),
        (with_bbox("[1, 2, 30, 1e9]"), "not a number"),
        (with_bbox("[" + "9" * 400 + ", 2, 30, 40]"), "not a number"),
        (with_bbox("[true, 2, 30, 40]"), "not a number"),
        (with_bbox("[null, 2, 30, 40]"), "not a number"),
        (with_bbox('["one", 2, 30, 40]'), "not a number"),
        (with_bbox("[[1], 2, 30, 40]"), "not a number"),
    ],
)
def test_a_failure_is_a_value_with_its_reason_and_a_sentence(text, reason):
    parsed = parse(text)
    assert parsed.answer is None
    assert parsed.reason == reason
    assert parsed.detail.endswith(".")


def test_the_reasoning_survives_a_broken_answer():
    assert parse(wrapped("{}")).think == "it is bright"


@pytest.mark.parametrize("depth", [10, 300, 900, 960, 980, 990, 1000, 1900])
def test_nesting_near_the_interpreters_limit_does_not_raise(depth):
    assert parse(with_bbox("[" * depth + "]" * depth)).answer is None


LONG = {
    "letters": "a" * 100_000,
    "open thinks": "<think>" * 14_000,
    "open answers": "<answer>" * 12_500,
    "half-closed thinks": "<think></think" * 7_000,
    "answers that open an object": "<answer>{" * 11_000 + "</answer",
    "empty answers": "<answer></answer>" * 6_000,
    "nested thinks": "<think>" * 7_000 + "</think>" * 6_000,
    "blank answer": wrapped(" " * 100_000),
    "blank answer within the limit": wrapped(" " * (MAX_BODY - 1)),
    "braces within the limit": wrapped("{" * (MAX_BODY - 1)),
    "fences within the limit": wrapped("``` " * (MAX_BODY // 4 - 1)),
    "closing braces": wrapped("{" + "}" * (MAX_BODY - 2)),
    "long thought": wrapped(GOOD, "a" * 100_000),
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_an_enormous_text_is_parsed_at_once(text):
    started = time.process_time()
    parse(text)
    assert time.process_time() - started < 1  # linear: milliseconds; the quadratic way took six seconds


def test_numbers_that_json_cannot_hold_do_not_pass_through_render_unseen():
    assert parse(render(Answer((math.nan, 0, 1, 1), ((0, 0), (0, 0))))).reason == "not a number"

"""The output format in both directions, whole and in pieces; no text of a model may raise, hang, or put a tag
before the reader.
"""

import json
import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreasoner.answer import EXAMPLE, MAX_BODY, TAGS, Absence, Answer, Parsed, parse, render
from medreasoner.answer_stream import StreamParser
from medreasoner.geometry import INPUT_PIXELS
from medreasoner.prompts import Prompt, messages, prompt_for

MANY = settings(deadline=None, max_examples=100, database=None, derandomize=True)

numbers = st.integers(-(10**6), 10**6).map(float) | st.floats(-1e8, 1e8)
pairs = st.tuples(numbers, numbers)
thoughts = st.none() | st.text().map(str.strip).filter(lambda text: not any(tag in text for tag in TAGS))
answers = st.builds(Answer, st.tuples(numbers, numbers, numbers, numbers), st.tuples(pairs, pairs), thoughts)

GOOD = '{"bbox": [1, 2, 30, 40], "points_1": [5, 6], "points_2": [7, 8.5]}'
ANSWER = Answer((1, 2, 30, 40), ((5, 6), (7, 8.5)), "it is bright")


def wrapped(body: str, think: str = "it is bright") -> str:
    return f"<think>{think}</think><answer>{body}</answer>"


# Whole texts


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


def test_only_models_that_were_taught_it_are_asked_for_an_absence():
    asked, plain = prompt_for(INPUT_PIXELS, absence=True), prompt_for(INPUT_PIXELS)
    assert plain == Prompt() and render(Absence()) not in plain.text("where?") + plain.text(
        "where?", think=False
    )
    assert render(Absence()) in asked.text("where?") and render(Absence()) in asked.text(
        "where?", think=False
    )


def test_whole_numbers_are_written_without_a_decimal_point():
    assert render(ANSWER) == wrapped(GOOD)


def test_the_example_in_the_prompt_is_itself_a_good_answer():
    assert parse(EXAMPLE).met == ()
    assert EXAMPLE in Prompt().text("where?")


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
    started = time.perf_counter()
    parse(text)
    assert time.perf_counter() - started < 1  # linear: milliseconds; the quadratic way took six seconds


# Texts as they arrive

FRAGMENTS = (
    *TAGS,
    "<",
    "</",
    "<thi",
    "nk>",
    "</ans",
    "wer>",
    "<answer",
    "a < b",
    "it is bright",
    "\n",
    "é",
    GOOD,
    "{",
    GOOD[:20],
)


@st.composite
def texts_in_pieces(draw) -> list[str]:
    """A text made of tags, halves of tags, words and objects, cut anywhere."""
    text = "".join(draw(st.lists(st.sampled_from(FRAGMENTS), max_size=12)))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def stream(pieces: list[str]) -> tuple[str, Parsed, str]:
    """What was shown, what was parsed, and the text up to where the reader stopped."""
    parser = StreamParser()
    shown = "".join([parser.feed(piece) for piece in pieces])
    return shown, parser.finish(), parser.text


@settings(MANY, max_examples=300)
@given(texts_in_pieces())
def test_every_cutting_shows_the_same_reasoning_and_gives_the_same_parse(pieces):
    text = "".join(pieces)
    whole = stream([text])
    assert stream(pieces) == whole
    assert stream(list(text)) == whole
    shown, parsed, read = whole
    assert not any(tag in shown for tag in TAGS)
    assert parsed == parse(read)
    if "</answer>" not in text:
        assert read == text


@MANY
@given(answers, st.integers(1, 40))
def test_a_good_answer_streams_its_reasoning_and_closes_with_its_last_character(answer, size):
    text = render(answer)
    parser = StreamParser()
    shown = ""
    for start in range(0, len(text), size):
        assert parser.parsed is None
        shown += parser.feed(text[start : start + size])
    assert parser.parsed == parser.finish() == parse(text)
    assert shown.strip() == (answer.think or "")


def test_every_word_is_shown_as_soon_as_it_cannot_be_a_tag():
    parser = StreamParser()
    assert [parser.feed(piece) for piece in ("<think>a ", "<", " b", " </th", "ink>", "x")] == [
        "a ",
        "",
        "< b",
        " ",
        "",
        "",
    ]


def test_a_thought_that_never_closes_does_not_show_the_answer():
    shown, parsed, _ = stream(list(f"<think>it is bright <answer>{GOOD}</answer>"))
    assert shown == "it is bright "
    assert parsed.answer is not None


def test_an_answers_closing_tag_within_the_reasoning_does_not_end_the_run():
    shown, parsed, _ = stream(list(f"<think>write </answer> at the end</think><answer>{GOOD}</answer>"))
    assert shown == "write  at the end"
    assert parsed.answer is not None


def test_nothing_after_the_answer_is_read():
    shown, parsed, read = stream([wrapped(GOOD), "<think>more</think>", "<answer>{}</answer>"])
    assert (shown, parsed, read) == ("it is bright", parse(wrapped(GOOD)), wrapped(GOOD))


def test_a_long_reasoning_streams_letter_by_letter():
    shown, parsed, _ = stream(list(wrapped(GOOD, "word " * 2000)))
    assert shown == "word " * 2000
    assert parsed.answer is not None


# Prompts


@MANY
@given(st.text())
def test_a_question_stands_in_the_prompt_letter_for_letter(question):
    for think in (True, False):
        empty, full = Prompt().text("", think), Prompt().text(question, think)
        assert question in full
        assert len(full) == len(empty) + len(question)


@pytest.mark.parametrize(
    "question", ["{question}", "{{x}}", "{}", "}}{{", "<answer>{}</answer>", "100 % {sure}"]
)
def test_braces_in_a_question_are_left_alone(question):
    assert f"Question: {question}\n" in Prompt().text(question)
    assert EXAMPLE in Prompt().text(question)


def test_a_direct_prompt_does_not_ask_for_reasoning():
    assert "<think>" not in Prompt().text("where?", think=False)
    assert EXAMPLE[EXAMPLE.index("<answer>") :] in Prompt().text("where?", think=False)


def test_a_prompt_is_loaded_from_beside_its_checkpoint(tmp_path):
    path = tmp_path / "prompt.json"
    fields = {"think": "Think. {question} {{'bbox': 1}}", "direct": "{question}", "system": "You see."}
    path.write_text(json.dumps(fields), encoding="utf-8")
    prompt = Prompt.load(path)
    assert prompt.text("Where {it} is?") == "Think. Where {it} is? {'bbox': 1}"
    assert prompt.system == "You see."


@pytest.mark.parametrize(
    "fields",
    [
        {"think": "{question}"},
        {"think": "{question}", "direct": "{question}", "more": 1},
        {"think": "no place", "direct": "{question}"},
    ],
)
def test_a_prompt_that_cannot_be_used_says_so(tmp_path, fields):
    path = tmp_path / "prompt.json"
    path.write_text(json.dumps(fields), encoding="utf-8")
    with pytest.raises(ValueError, match="expected the keys|exactly once"):
        Prompt.load(path)


def test_the_chat_has_the_image_before_the_words():
    (user,) = messages("look")
    assert [part["type"] for part in user["content"]] == ["image", "text"]
    assert [turn["role"] for turn in messages("look", "You see.")] == ["system", "user"]


def test_numbers_that_json_cannot_hold_do_not_pass_through_render_unseen():
    assert parse(render(Answer((math.nan, 0, 1, 1), ((0, 0), (0, 0))))).reason == "not a number"


# Tags and drafts inside the reasoning

DRAFT = GOOD.replace("[1, 2, 30, 40]", "[9, 9, 10, 10]")
MENTIONS = [
    ("It goes inside <answer></answer> as JSON. Left.", "It goes inside  as JSON. Left."),
    (f"A draft: <answer>{DRAFT}</answer> No, left.", "A draft:  No, left."),
    ("First <answer> then left.", "First  then left."),
    ("a < b, </ans and <thin", "a < b, </ans and <thin"),
]


@pytest.mark.parametrize(("inside", "shown"), MENTIONS)
@pytest.mark.parametrize("opened", ["<think>", ""])
def test_only_what_follows_the_reasoning_counts(inside, shown, opened):
    if not opened and "<answer>" in inside:
        return  # without the opening tag nobody can know, before the closing one comes, that this is reasoning
    text = f"{opened}{inside}</think><answer>{GOOD}</answer>"
    parsed = parse(text)
    assert parsed.answer.bbox == ANSWER.bbox and parsed.think == shown
    parser = StreamParser()
    assert "".join(parser.feed(letter) for letter in text).strip() == shown
    assert parser.parsed == parsed


parts = st.sampled_from(
    [
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        GOOD,
        DRAFT,
        "left of it",
        " ",
        "<ans",
        "wer>",
        "{",
        "}",
        "</",
        "think>",
        "\n",
    ]
)


@settings(deadline=None, max_examples=400, database=None, derandomize=True)
@given(st.lists(parts, max_size=12), st.integers(1, 9))
def test_a_text_read_in_pieces_is_the_text_read_whole_wherever_it_is_cut(chosen, size):
    text = "".join(chosen)
    parser, shown = StreamParser(), ""
    for at in range(0, len(text), size):
        shown += parser.feed(text[at : at + size])
    parsed = parser.finish()
    letters, told = StreamParser(), ""
    for letter in text:
        told += letters.feed(letter)
    assert letters.finish() == parsed == parse(parser.text)
    assert told == shown and shown.strip() == (parsed.think or "")[: len(shown.strip())]
    assert not any(tag in shown for tag in TAGS)

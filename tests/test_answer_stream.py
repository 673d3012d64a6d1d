"""A text that arrives in pieces shows and gives what the whole text would; no part of a tag is ever shown."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreasoner.answer import Parsed, parse, render
from medreasoner.answer_blocks import TAGS
from medreasoner.answer_stream import StreamParser
from tests.answers_written import ANSWER, GOOD, MANY, answers, wrapped

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

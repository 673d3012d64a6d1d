"""Foreign formats: what each family writes is read as it was meant, and a refusal is told from an answer that
cannot be read.

The transcripts under fixtures/dialects have the shape of the families' own documented outputs.
"""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreasoner.answer import Answer, parse, render
from medreasoner.reasoners.dialects import (
    DIALECTS,
    NO_POINTS,
    Found,
    find,
    in_our_format,
    inside,
    refused,
    translate,
)
from medreasoner.reasoners.families import FAMILIES

FIXTURES = Path(__file__).parents[1] / "fixtures" / "dialects"
PIXELS = (317, 402, 455, 561)
TURNED = (478, 377, 668, 542)  # y first
THOUSAND = (377, 478, 542, 668)

# transcript -> family, what is found
TRANSCRIPTS = {
    "qwen2_5_vl": ("qwen2_5_vl", Found(PIXELS)),
    "visionreasoner": (
        "qwen2_5_vl",
        Found(PIXELS, ((380, 470), (380, 470))),
    ),  # of two boxes the first; one point counts twice
    "vlm_r1": ("qwen2_5_vl", Found(PIXELS)),  # not the guess in its reasoning
    "cut_short": ("qwen2_5_vl", Found(PIXELS)),
    "qwen2_vl": ("qwen2_vl", Found(THOUSAND)),
    "internvl3": ("internvl", Found(THOUSAND)),
    "gemini_2_5": ("gemini", Found(TURNED, ((560, 430), (600, 500)))),
    "medgemma_1_5": ("gemma3", Found(TURNED)),
    "sam4mllm": ("sam4mllm", Found(THOUSAND, ((430, 560), (500, 600)))),
}


def transcript(name: str) -> str:
    return (FIXTURES / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_a_familys_own_format_is_read(name):
    family, expected = TRANSCRIPTS[name]
    assert find(transcript(name), FAMILIES[family].dialect) == expected


@pytest.mark.parametrize("name", TRANSCRIPTS)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_stream_ends_with_the_answer_in_our_format_and_keeps_the_models_words(name, size):
    family, expected = TRANSCRIPTS[name]
    text = transcript(name)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    streamed = list(in_our_format(iter(pieces), FAMILIES[family].dialect))
    parsed = parse("".join(streamed))
    assert parsed.answer.bbox == expected.bbox
    assert (NO_POINTS in "".join(streamed)) == (expected.points is None)
    assert parsed.answer.points == (expected.points or inside(expected.bbox))
    assert parsed.think == parse(text).think
    for line in text.replace("<answer>", "").replace("</answer>", "").split("\n"):
        assert line in "".join(streamed)


def test_an_answer_in_our_format_passes_unchanged_and_piece_by_piece():
    text = transcript("ours_single_quotes")
    streamed = list(in_our_format(iter(text), ("json",)))
    assert "".join(streamed) == text.rstrip() and translate(text, ("json",)) is None
    assert len([piece for piece in streamed if piece]) > text.index("<answer>") - 5, (
        "the reasoning is not held back"
    )


def test_the_reasoning_is_shown_as_it_comes_and_no_part_of_a_tag_too_early():
    pieces = ["<think>I see", " it</think>", "<ans", "wer>{", '"bbox_2d": [1, 2, 3, 4]}', "</answer>", "more"]
    streamed = in_our_format(iter(pieces), ("json",))
    assert [next(streamed) for _ in range(4)] == ["<think>I see", " it</think>", "", ""]
    assert parse("".join(streamed)).answer.bbox == (1, 2, 3, 4)


def test_without_dialects_everything_passes():
    assert list(in_our_format(iter(["a", "<answer>", "b"]), ())) == ["a", "<answer>", "b"]


def test_a_text_without_a_box_stays_what_it_is():
    for text in ("It is on the left.", "<think>[1, 2, 3, 4]</think>", "<answer>none</answer> and more", ""):
        assert "".join(in_our_format(iter([text]), tuple(DIALECTS))).startswith(text.split(" and")[0])
        assert translate(text, tuple(DIALECTS)) is None


@given(st.text(max_size=300))
def test_no_text_breaks_the_readers(text):
    for name in DIALECTS:
        find(text, (name,))
    refused(text)
    "".join(in_our_format(iter(text), tuple(DIALECTS)))


@given(st.lists(st.floats(0, 5000), min_size=4, max_size=4))
def test_points_that_stand_in_lie_in_the_box(values):
    x1, x2 = sorted(values[:2])
    y1, y2 = sorted(values[2:])
    for x, y in inside((x1, y1, x2, y2)):
        assert x1 - 1e-6 <= x <= x2 + 1e-6 and y1 - 1e-6 <= y <= y2 + 1e-6


@pytest.mark.parametrize("name", ["refusal_gpt_4o", "refusal_claims"])
def test_refusals_are_known(name):
    assert refused(transcript(name))


@pytest.mark.parametrize(
    "text",
    [
        "The answer is in the left lung.",
        "<think>I cannot tell where it is.</think>",
        "<think>I'm sorry to see this.</think>It is on the left.",
        "I cannot tell where it is.",  # an opinion on the image, not on the task
        render(Answer((1, 2, 3, 4), ((1, 2), (3, 4)), think="I am sorry")),
    ],
)
def test_what_is_no_refusal_is_not_called_one(text):
    assert not refused(text)

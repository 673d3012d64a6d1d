"""Prompts declare the frame in which the model is to write, and hold the question letter for letter."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreasoner.answer import EXAMPLE, Absence, render
from medreasoner.geometry import EMBEDDED, INPUT_PIXELS, THOUSAND, THOUSAND_YX
from medreasoner.prompts import Prompt, messages, prompt_for
from tests.answers_written import MANY


def test_prompts_name_the_frame_the_family_writes_in():
    assert prompt_for(INPUT_PIXELS) == Prompt()
    for frame, words in (
        (THOUSAND, "from 0 to 1000"),
        (EMBEDDED, "from 0 to 255"),
        (THOUSAND_YX, "y before x"),
    ):
        for template in (prompt_for(frame).think, prompt_for(frame).direct):
            assert words in template
            assert "pixels of the image as you see it" not in template


def test_only_models_that_were_taught_it_are_asked_for_an_absence():
    asked, plain = prompt_for(INPUT_PIXELS, absence=True), prompt_for(INPUT_PIXELS)
    assert plain == Prompt() and render(Absence()) not in plain.text("where?") + plain.text(
        "where?", think=False
    )
    assert render(Absence()) in asked.text("where?") and render(Absence()) in asked.text(
        "where?", think=False
    )


def test_the_example_stands_in_the_prompt():
    assert EXAMPLE in Prompt().text("where?")


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

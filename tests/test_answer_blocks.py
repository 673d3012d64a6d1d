"""Reasoning and answer are found by their tags, whatever else a text holds."""

import pytest

from medreasoner.answer_blocks import find_blocks, visible_reasoning

BOX = '{"bbox": []}'


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        (f"<think>left</think><answer>{BOX}</answer>", "left", BOX),
        (f"left</think><answer>{BOX}</answer>", "left", BOX),  # the chat template wrote the opening tag
        (f"<answer>{BOX}</answer>", None, BOX),
        ("<think>left</think>", "left", None),
        ("<think>left", "left", None),
        ("", None, None),
        (f"<think>a <answer>no</answer> b</think><answer>{BOX}</answer>", "a <answer>no</answer> b", BOX),
        (f"<think>left</think><answer>in words</answer><answer>{BOX}</answer>", "left", BOX),
        (f"<think>left <answer>{BOX}</answer>", f"left <answer>{BOX}</answer>", BOX),
    ],
)
def test_the_first_block_with_an_object_after_the_reasoning_counts(text, reasoning, answer):
    read = find_blocks(text)
    assert (read.reasoning and text[slice(*read.reasoning)]) == reasoning
    assert (read.answer and text[slice(*read.answer)]) == answer


def test_a_text_may_end_only_after_an_answer_that_counts():
    whole = f"<think>left</think><answer>{BOX}</answer>"
    assert find_blocks(whole + " and more").cut == len(whole)
    assert find_blocks("<think>left</think><answer>in words</answer>").cut is None
    read = find_blocks(f"<think>left <answer>{BOX}</answer>")
    assert not read.closed and read.cut is None


def test_what_is_odd_about_a_text_is_told():
    read = find_blocks(f"Sure! <think>left</think><answer>{BOX}</answer><answer>{BOX}</answer>")
    assert read.outside and read.blocks == 2
    assert not find_blocks(f"<think>left</think> <answer>{BOX}</answer>").outside


def test_a_reasoning_is_shown_without_the_answers_and_tags_in_it():
    assert visible_reasoning(f"a <answer>{BOX}</answer>b <think>c </answer>d <answer>e") == "a b c d e"

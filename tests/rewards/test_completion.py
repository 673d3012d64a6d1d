"""A completion is parsed once, however many terms score it, and never scored by what another batch held.

python -m pytest tests/rewards/test_completion.py
"""

import json

import pytest

from medreasoner.rewards import completion, reward_functions
from medreasoner.rewards.completion import text_of
from tests.rewards.answers import ROW, WRONG_SIDE, no_mask, terms, written

TEXTS = [written(), written(*WRONG_SIDE), "prose"]


def columns(count: int, **changed) -> dict[str, list]:
    return {key: [value] * count for key, value in {"image": None, **ROW, **changed}.items()}


@pytest.mark.parametrize(
    ("name", "module", "reader", "parses"),
    [("paper-soft", json, "loads", 2), ("paper-hard", json, "loads", 2), ("mask", completion, "parse", 3)],
)
def test_all_terms_of_a_set_parse_a_completion_once(monkeypatch, name, module, reader, parses):
    functions, _ = reward_functions(name, segment=no_mask)
    calls, original = [], getattr(module, reader)
    monkeypatch.setattr(module, reader, lambda text: calls.append(text) or original(text))
    rows = columns(len(TEXTS))
    for function in functions:
        function(completions=TEXTS, **rows)
    assert len(calls) == parses, "prose holds no JSON to read"


def test_another_batch_is_read_anew():
    functions, _ = reward_functions("paper-soft")
    iou = next(function for function in functions if function.__name__ == "bbox_iou")
    rows, moved = columns(1), columns(1, bbox_2d=WRONG_SIDE[0])
    expected = [terms("paper-soft", text)["bbox_iou"] for text in TEXTS]
    assert [iou(completions=[text], **rows)[0] for text in TEXTS] == expected
    assert iou(completions=TEXTS, **columns(3)) == expected
    right, wrong = (iou(completions=[TEXTS[1]], **each)[0] for each in (rows, moved))
    assert right < 0.1 and wrong > 0.5, "the same answer to another row"


def test_the_text_of_a_conversation_is_what_its_messages_hold():
    parts = [{"type": "text", "text": "b"}, {"type": "image"}]
    assert (
        text_of("a") == "a" and text_of([{"role": "assistant", "content": "a"}, {"content": parts}]) == "ab"
    )

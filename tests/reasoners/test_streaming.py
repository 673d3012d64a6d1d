"""A model's tokens become text one by one, whole characters at a time."""

import threading

import torch

from medreasoner.reasoners.answer_tokens import AnswerTokens
from medreasoner.reasoners.streaming import TextListener


def listening(tokenizer, stop: threading.Event) -> TextListener:
    return TextListener(tokenizer, stop, AnswerTokens.of(tokenizer))


def test_stop_reaches_the_model_with_its_next_token(load):
    stop = threading.Event()
    listener, ids = listening(load("embedded_loop")._processor.tokenizer, stop), torch.tensor([[5]])
    assert not listener(ids, None)
    stop.set()
    assert listener(ids, None)


def test_characters_made_of_several_tokens_arrive_whole(load):
    tokenizer = load("embedded")._processor.tokenizer
    text = "naïve 漢字, 37 °C – 🙂 end"
    ids = tokenizer.encode(text, add_special_tokens=False)
    listener = listening(tokenizer, threading.Event())
    for token in ids:
        listener(torch.tensor([[token]]), None)
    listener.end()
    pieces = list(iter(listener.pieces.get, None))
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert len(pieces) == len(ids)


def test_a_character_cut_off_at_the_end_is_still_handed_on(load):
    tokenizer = load("embedded")._processor.tokenizer
    listener = listening(tokenizer, threading.Event())
    for token in tokenizer.encode("a漢", add_special_tokens=False)[:-1]:
        listener(torch.tensor([[token]]), None)
    listener.end()
    assert "".join(iter(listener.pieces.get, None)).startswith("a\ufffd")

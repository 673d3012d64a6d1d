"""Hears a model speak: one token after the other becomes text while `generate` runs.

Is: a StoppingCriteria, because that is called with each new token and may also end the run; so one object decodes, hands on and stops.
Is not: a TextStreamer. Those give words only when the next space arrives, decode the whole text for each token, and go on after the
answer has closed.
"""

import queue
import threading

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from medreasoner.answer import StreamParser

LONGEST_CHARACTER = 4  # bytes of UTF-8, and so the most byte tokens one character can be spread over


class Listener(StoppingCriteria):
    """Puts one piece of text per token into `pieces` (an empty one while a character is incomplete) and None at the end.

    Generation ends with the token that closes the answer, or within one token of `stop` being set or `leave` being called.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: threading.Event):
        self.pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tokenizer, self._stop = tokenizer, stop
        self._left = threading.Event()
        self._answer = StreamParser()
        self._tokens: list[int] = []
        self._context = self._spoken = 0  # tokens[context:spoken] went out last; they are decoded again for the spaces between tokens

    def __call__(self, input_ids: torch.LongTensor, scores: object, **kwargs: object) -> torch.BoolTensor:
        if not self.finished():
            self._tokens.append(int(input_ids[0, -1]))
            piece = self._new_text()
            self._answer.feed(piece)
            self.pieces.put(piece)
        return torch.full((1,), self.finished(), device=input_ids.device, dtype=torch.bool)

    def finished(self) -> bool:
        """Whether generation should end (or need not begin)."""
        return self._answer.parsed is not None or self._stop.is_set() or self._left.is_set()

    def leave(self) -> None:
        """Nobody listens any more: let generation end with its next token."""
        self._left.set()

    def end(self) -> None:
        """Generation is over: hand on what was held back, then None."""
        if self._spoken < len(self._tokens):
            self.pieces.put(self._decode(self._context)[len(self._decode(self._context, self._spoken)) :])
        self.pieces.put(None)

    def _new_text(self) -> str:
        known, text = self._decode(self._context, self._spoken), self._decode(self._context)
        if text.endswith("\ufffd") and len(self._tokens) - self._spoken < LONGEST_CHARACTER:
            return ""  # the bytes of a character are still coming
        self._context, self._spoken = self._spoken, len(self._tokens)
        return text[len(known) :]

    def _decode(self, begin: int, end: int | None = None) -> str:
        return self._tokenizer.decode(self._tokens[begin:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)

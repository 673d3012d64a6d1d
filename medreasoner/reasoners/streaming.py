"""Turns a model's tokens into text, one by one, while transformers' `generate` runs.

A StoppingCriteria is called with each new token and may end the run, so that one object decodes, hands on and
stops. A LogitsProcessor that changes nothing goes with it and sees how probable each token was
(`token_probabilities.py`). transformers' own TextStreamer does not serve: it hands on words only when the
next space arrives, decodes the whole text for each token, and goes on after the answer has closed.
"""

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria

from medreasoner.answer_blocks import THINK
from medreasoner.answer_stream import StreamParser
from medreasoner.certainty import Closing
from medreasoner.reasoners.answer_tokens import AnswerTokens
from medreasoner.reasoners.token_probabilities import TokenProbabilities, certainty

TAIL = 12  # tokens in which an opening tag and the blanks after it fit
LONGEST_CHARACTER = 4  # bytes of UTF-8, and so the most byte tokens one character can be spread over


class TextListener(StoppingCriteria):
    """Puts one piece of text per token into `pieces` (an empty one while a character is incomplete) and None
    at the end.

    The piece that closes the answer is a `certainty.Closing`; give `generate` the `probabilities` as a logits
    processor for that. Generation ends with the token that closes the answer, or within one token of `stop`
    being set or `leave` being called.

    Args:
        answer_tokens: those of the tokenizer, which take a moment to find.
        begun: what the prompt already wrote of the answer, see `opened_reasoning`; it goes out with the first
            piece.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        stop: threading.Event,
        answer_tokens: AnswerTokens,
        begun: str = "",
    ) -> None:
        self.pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tokenizer, self._stop = tokenizer, stop
        self._abandoned = threading.Event()
        self._answer, self._begun = StreamParser(), begun
        self.probabilities = TokenProbabilities(answer_tokens)
        self._tokens: list[int] = []
        self._ends: list[int] = []  # of each token's text, in characters
        # tokens[context:sent] went out last; they are decoded again for the spaces between tokens
        self._context = self._sent = 0

    def __call__(self, input_ids: torch.LongTensor, scores: object, **kwargs: object) -> torch.BoolTensor:
        if not self.finished():
            self._tokens.append(int(input_ids[0, -1]))
            piece = self._begun + self._new_text()
            self._begun = ""
            self._answer.feed(piece)
            self._ends.append((self._ends[-1] if self._ends else 0) + len(piece))
            self.probabilities.take(input_ids[:1, -1])
            if self._answer.parsed is not None:
                written = self.probabilities.row(0, self._tokens)
                answer_tokens = self.probabilities.answer_tokens
                piece = Closing(piece, certainty(self._answer.text, self._ends, written, answer_tokens))
            self.pieces.put(piece)
        return torch.full((1,), self.finished(), device=input_ids.device, dtype=torch.bool)

    def hear(self, token: torch.LongTensor, scores: torch.FloatTensor) -> bool:
        """Take one token (1, 1) and the scores (1, vocabulary) it was chosen by, without `generate`; whether
        to end."""
        self.probabilities(token, scores)
        return bool(self(token, scores))

    def read(self, generate: Callable[[], None]) -> Iterator[str]:
        """The pieces, while `generate` runs in a thread of its own. Closing the generator ends the run.

        Errors: those of `generate`, after the last piece.
        """
        with ThreadPoolExecutor(1, "generate") as thread:
            run = thread.submit(generate)
            run.add_done_callback(lambda _: self.end())
            try:
                for piece in iter(self.pieces.get, None):
                    yield piece
                    if self._stop.is_set():
                        break
            finally:
                self.leave()
        run.result()

    def finished(self) -> bool:
        """Whether generation should end (or need not begin)."""
        return self._answer.parsed is not None or self._stop.is_set() or self._abandoned.is_set()

    def leave(self) -> None:
        """Let generation end with its next token, because nobody reads the pieces any more."""
        self._abandoned.set()

    def end(self) -> None:
        """Hand on what was held back, then None: generation is over."""
        if self._sent < len(self._tokens):
            self.pieces.put(self._decode(self._context)[len(self._decode(self._context, self._sent)) :])
        self.pieces.put(None)

    def _new_text(self) -> str:
        known, text = self._decode(self._context, self._sent), self._decode(self._context)
        if text.endswith("\ufffd") and len(self._tokens) - self._sent < LONGEST_CHARACTER:
            return ""  # the bytes of a character are still coming
        self._context, self._sent = self._sent, len(self._tokens)
        return text[len(known) :]

    def _decode(self, begin: int, end: int | None = None) -> str:
        return self._tokenizer.decode(
            self._tokens[begin:end], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )


def opened_reasoning(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int]) -> str:
    """The opening tag of the reasoning if the prompt ends with it, else "".

    Chat templates of reasoning models (Qwen3-VL Thinking among them) write the tag themselves, so that the
    model begins inside its reasoning.
    """
    tail = tokenizer.decode(prompt[-TAIL:], skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return THINK[0] if tail.rstrip().endswith(THINK[0]) else ""

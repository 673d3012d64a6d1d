"""Turns a model's tokens into text, one by one, while transformers' `generate` runs.

A StoppingCriteria is called with each new token and may end the run, so that one object decodes, hands on and
stops. A LogitsProcessor that changes nothing goes with it and sees how probable each token was. transformers'
own TextStreamer does not serve: it hands on words only when the next space arrives, decodes the whole text
for each token, and goes on after the answer has closed.
"""

import math
import queue
import threading
from collections.abc import Sequence

import torch
from transformers import LogitsProcessor, PreTrainedTokenizerBase, StoppingCriteria

from medreasoner.answer import Closing, coordinate_spans
from medreasoner.answer_blocks import THINK
from medreasoner.answer_stream import StreamParser

TAIL = 12  # tokens in which an opening tag and the blanks after it fit
LONGEST_CHARACTER = 4  # bytes of UTF-8, and so the most byte tokens one character can be spread over


class TokenLogProbs(LogitsProcessor):
    """Records how probable each next token is and changes nothing.

    The probabilities are those before temperature, top-k and top-p (which `generate` applies later) and after
    a penalty that the checkpoint's own settings ask for.
    """

    def __init__(self) -> None:
        self._logits: torch.Tensor | None = None

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        self._logits = scores[0]
        return scores

    def of(self, token: int) -> torch.Tensor:
        """Log-probability of `token`, left on the device so that nothing waits for it; NaN before any was
        asked for.
        """
        return (
            torch.tensor(math.nan)
            if self._logits is None
            else self._logits[token] - self._logits.logsumexp(-1)
        )


class TextListener(StoppingCriteria):
    """Puts one piece of text per token into `pieces` (an empty one while a character is incomplete) and None
    at the end.

    The piece that closes the answer is an `answer.Closing`; give `generate` the `log_probs` as a logits
    processor for that. Generation ends with the token that closes the answer, or within one token of `stop`
    being set or `leave` being called.

    Args:
        begun: what the prompt already wrote of the answer, see `opened_reasoning`; it goes out with the first
            piece.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, stop: threading.Event, begun: str = "") -> None:
        self.pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._tokenizer, self._stop = tokenizer, stop
        self._abandoned = threading.Event()
        self._answer, self._begun = StreamParser(), begun
        self.log_probs = TokenLogProbs()
        self._tokens: list[int] = []
        self._ends: list[int] = []  # of each token's text, in characters
        self._log_p: list[torch.Tensor] = []
        # tokens[context:sent] went out last; they are decoded again for the spaces between tokens
        self._context = self._sent = 0

    def __call__(self, input_ids: torch.LongTensor, scores: object, **kwargs: object) -> torch.BoolTensor:
        if not self.finished():
            self._tokens.append(int(input_ids[0, -1]))
            piece = self._begun + self._new_text()
            self._begun = ""
            self._answer.feed(piece)
            self._ends.append((self._ends[-1] if self._ends else 0) + len(piece))
            self._log_p.append(self.log_probs.of(self._tokens[-1]))
            if self._answer.parsed is not None:
                piece = Closing(
                    piece,
                    coordinate_probability(self._answer.text, self._ends, torch.stack(self._log_p).tolist()),
                )
            self.pieces.put(piece)
        return torch.full((1,), self.finished(), device=input_ids.device, dtype=torch.bool)

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


def coordinate_probability(text: str, ends: Sequence[int], log_p: Sequence[float]) -> float | None:
    """How probable the model held the numbers of its answer, 0..1: the geometric mean over the numbers, each
    the product over the tokens that hold any of its characters. None where the numbers cannot be told or a
    probability is not known.

    Args:
        text: everything the model wrote.
        ends: where the text of each of its tokens ends, in characters.
        log_p: the log-probabilities of these tokens.
    """
    starts = [0, *ends]
    spans = coordinate_spans(text)
    numbers = [
        sum(
            value
            for start, end, value in zip(starts, ends, log_p, strict=False)
            if start < last and end > first
        )
        for first, last in spans
    ]
    mean = sum(numbers) / len(numbers) if numbers else math.nan
    return math.exp(min(0.0, mean)) if math.isfinite(mean) else None

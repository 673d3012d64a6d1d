"""One streamed chat completion of an OpenAI-compatible server, asked for again where a second try can help.

A request that fails is kept apart from a model that answers badly: it is an error here, never an answer.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator

import httpx2
import openai

from medreasoner.answer_blocks import TAGS
from medreasoner.answer_stream import StreamParser
from medreasoner.messages import first_line
from medreasoner.reasoners.base import Completion, ReasonerError

TRIES = 5  # of one request, as the published evaluation
TIMEOUT = 120.0  # seconds without a sign of life
# what a request, or a stream that comes in pieces, raises
BROKEN = (openai.OpenAIError, httpx2.HTTPError, json.JSONDecodeError, EOFError)
# no question could be answered this way
HOPELESS = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)


class Request:
    """One question on its way.

    Args:
        name: of the reasoner, for messages.
        send: opens the stream of the completion; may be called again.
    """

    def __init__(self, name: str, send: Callable[[], openai.Stream]) -> None:
        self._name, self._send = name, send
        self._first_token: float | None = None  # time.perf_counter() of the latest try's first token
        self._usage: openai.types.CompletionUsage | None = None

    def pieces(self, stop: threading.Event | None = None) -> Iterator[str]:
        """The text as it comes, up to the end of its answer. Errors: ReasonerError."""
        try:
            yield from self._stream(stop or threading.Event())
        except BROKEN as error:
            raise ReasonerError(f"{self._name}: {_reason(error)}") from error

    def completion(self) -> Completion:
        """The whole answer; a stream that breaks is asked for again.

        Errors: ReasonerError for what would stop every other question too.
        """
        error = None
        for _ in range(TRIES):
            started = time.perf_counter()
            try:
                text = "".join(self._stream(threading.Event()))
            except HOPELESS as refusal:
                raise ReasonerError(f"{self._name}: {_reason(refusal)}") from refusal
            except openai.APIStatusError as refusal:  # the client has tried again already where that can help
                return Completion("", 0.0, error=_reason(refusal))
            except BROKEN as broken:
                error = _reason(broken)
                if isinstance(broken, openai.APIConnectionError):  # tried again already, too
                    break
                continue
            seconds, usage = time.perf_counter() - started, self._usage
            first = None if self._first_token is None else self._first_token - started
            return Completion(
                text, seconds, first, usage and usage.prompt_tokens, usage and usage.completion_tokens
            )
        return Completion("", 0.0, error=error)

    def _stream(self, stop: threading.Event) -> Iterator[str]:
        """The text of one try. Errors: those of BROKEN."""
        answer, thinking, ended = StreamParser(), False, False
        self._first_token = self._usage = None
        with self._send() as chunks:
            for chunk in chunks:
                self._usage = chunk.usage or self._usage
                for choice in chunk.choices[:1]:
                    ended = ended or choice.finish_reason is not None
                    piece, thinking = _piece(choice.delta, thinking)
                    if piece and self._first_token is None:
                        self._first_token = time.perf_counter()
                    # after the answer only the count of tokens is waited for
                    if answer.parsed is None and piece:
                        answer.feed(piece)
                        yield piece
                if stop.is_set():
                    return
        # a server that dies closes the connection like one that is done
        if not ended and answer.parsed is None:
            raise EOFError("the stream ended before the answer did")


def _piece(delta: object, thinking: bool) -> tuple[str, bool]:
    """(text of one chunk, whether the reasoning goes on). Reasoning that a server sends apart from the text
    is put between the project's tags.
    """
    extra = delta.model_extra or {}
    reasoning = extra.get("reasoning_content") or extra.get("reasoning") or ""
    written = delta.content or delta.refusal or ""
    piece = f"{TAGS[0]}{reasoning}" if reasoning and not thinking else reasoning
    thinking = thinking or bool(reasoning)
    if written and thinking:
        return f"{piece}{TAGS[1]}{written}", False
    return piece + written, thinking


def _reason(error: Exception) -> str:
    """What went wrong, for a person."""
    if isinstance(error, openai.AuthenticationError):
        return "the server does not accept the key; set OPENAI_API_KEY to one that it does"
    if isinstance(error, openai.APIStatusError):
        return f"the server answered {error.status_code}: {first_line(error)}"
    if isinstance(error, openai.APITimeoutError):
        return f"the server gave no sign of life for {TIMEOUT:g} s"
    if isinstance(error, openai.APIConnectionError):
        return "the server cannot be reached; is it running, and is its address right?"
    return f"the answer broke off: {first_line(error)}"

"""A vision-language model behind any OpenAI-compatible server: vLLM, GPT-4o, Gemini's compatible endpoint.

Is: streaming chat completions, retried where a second try can help, and many at once with a bound. A request that fails is kept apart from
a model that answers badly: it is an error here, never an answer.
Is not: a server. A local one: `vllm serve Qwen/Qwen2.5-VL-7B-Instruct --port 8000`.

    reasoner = load_reasoner("openai:Qwen/Qwen2.5-VL-7B-Instruct@http://localhost:8000/v1")
    reasoner = load_reasoner("openai:gpt-4o")      # the key from OPENAI_API_KEY, another address from OPENAI_BASE_URL
"""

import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import httpx2
import openai
from PIL import Image

from medreasoner.answer import TAGS, StreamParser
from medreasoner.manifest import first_line
from medreasoner.output.data_url import image_data_url
from medreasoner.prompts import Prompt, messages, prompt_for
from medreasoner.reasoners.base import Completion, EncodedImage, ReasonerError
from medreasoner.reasoners.dialects import in_our_format
from medreasoner.reasoners.families import FAMILIES, Family, family_of

TRIES = 5  # of one request, as the published evaluation
TIMEOUT = 120.0  # seconds without a sign of life
MAX_TOKENS = 2048
UNIT = 28  # pixels; sides that are multiples of it pass the resizing of the families that count in input pixels unchanged
BROKEN = (
    openai.OpenAIError,
    httpx2.HTTPError,
    json.JSONDecodeError,
    EOFError,
)  # what a request or a stream in pieces raises
HOPELESS = (
    openai.AuthenticationError,
    openai.PermissionDeniedError,
    openai.NotFoundError,
)  # no question could be answered this way


class EndpointReasoner:
    """See `reasoner.BatchReasoner`. Safe to use from several threads.

    Args:
        client: of the server. model: its name there. family: how it sees and writes.
    """

    paired_segmenter = None
    revision = None

    def __init__(self, client: openai.OpenAI, model: str, family: Family, prompt: Prompt | None = None):
        self.name = f"openai:{model}"
        self.frame, self.prompt = family.frame, prompt or prompt_for(family.frame)
        self._client, self._model, self._family = client, model, family

    @staticmethod
    def open(model: str, prompt: Prompt | None = None, family: str | None = None) -> "EndpointReasoner":
        """`MODEL` or `MODEL@URL`. Nothing is asked of the server yet. Errors: ReasonerError."""
        model, _, url = model.partition("@")
        family = family or family_of(model)
        if family is None:
            raise ReasonerError(
                f"how {model!r} writes coordinates is not known from its name; say it with --family, one of {', '.join(FAMILIES)}"
            )
        key = os.environ.get("OPENAI_API_KEY", "none")  # a local server asks for none
        client = openai.OpenAI(base_url=url or None, api_key=key, timeout=TIMEOUT, max_retries=TRIES - 1)
        return EndpointReasoner(client, model, FAMILIES[family], prompt)

    def encode(self, image: Image.Image) -> EncodedImage:
        """See `Reasoner.encode`: only resized, to sides the server will not change where coordinates are pixels of its input."""
        size = self._size(*image.size)
        return EncodedImage(
            image if size == image.size else image.resize(size, Image.Resampling.BICUBIC), size
        )

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """See `Reasoner.stream`."""
        with closing(_Run(self, encoded, question, think).pieces(stop)) as pieces:
            yield from in_our_format(pieces, self._family.dialect)

    def answer_batch(
        self, encoded: Sequence[EncodedImage], questions: Sequence[str], think: bool = True, at_once: int = 1
    ) -> Iterator[Completion]:
        """See `BatchReasoner.answer_batch`: so many requests at once. One that fails for good is a `Completion` with its error."""
        with ThreadPoolExecutor(at_once, "request") as threads:
            runs = [
                _Run(self, image, question, think) for image, question in zip(encoded, questions, strict=True)
            ]
            futures = [threads.submit(run.said) for run in runs]
            try:
                for future in futures:
                    said = future.result()
                    yield replace(said, text="".join(in_our_format(iter([said.text]), self._family.dialect)))
            finally:
                for future in futures:
                    future.cancel()

    def request(self, encoded: EncodedImage, question: str, think: bool) -> openai.Stream:
        """The open stream of one completion."""
        chat = messages(self.prompt.text(question, think), self.prompt.system)
        chat[-1]["content"][0] = {"type": "image_url", "image_url": {"url": image_data_url(encoded.image)}}
        return self._client.chat.completions.create(
            model=self._model,
            messages=chat,
            temperature=0,
            max_tokens=MAX_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )

    def _size(self, width: int, height: int) -> tuple[int, int]:
        if self._family.square is not None:
            return self._family.square, self._family.square
        shrink = min(1.0, (self._family.max_pixels / (width * height)) ** 0.5)
        if self.frame.limit is None:
            return tuple(max(UNIT, round(side * shrink / UNIT) * UNIT) for side in (width, height))
        return max(1, round(width * shrink)), max(1, round(height * shrink))


class _Run:
    """One question on its way."""

    def __init__(self, reasoner: EndpointReasoner, encoded: EncodedImage, question: str, think: bool):
        self.reasoner, self.asked = reasoner, (encoded, question, think)
        self.first_token_s: float | None = None
        self.usage = None

    def pieces(self, stop: threading.Event | None = None) -> Iterator[str]:
        """The text as it comes, up to the end of its answer. Errors: ReasonerError."""
        try:
            yield from self._heard(stop or threading.Event())
        except BROKEN as error:
            raise ReasonerError(f"{self.reasoner.name}: {_why(error)}") from error

    def said(self) -> Completion:
        """The whole answer; a stream that breaks is asked for again. Errors: ReasonerError for what no other question would mend."""
        error = None
        for _ in range(TRIES):
            started = time.perf_counter()
            try:
                text = "".join(self._heard(threading.Event()))
            except HOPELESS as refusal:
                raise ReasonerError(f"{self.reasoner.name}: {_why(refusal)}") from refusal
            except openai.APIStatusError as refusal:  # the client has tried again already where that can help
                return Completion("", 0.0, error=_why(refusal))
            except BROKEN as broken:
                error = _why(broken)
                if isinstance(broken, openai.APIConnectionError):  # tried again already, too
                    break
                continue
            seconds, usage = time.perf_counter() - started, self.usage
            first = None if self.first_token_s is None else self.first_token_s - started
            return Completion(
                text, seconds, first, usage and usage.prompt_tokens, usage and usage.completion_tokens
            )
        return Completion("", 0.0, error=error)

    def _heard(self, stop: threading.Event) -> Iterator[str]:
        answer, thinking, ended = StreamParser(), False, False
        self.first_token_s = self.usage = None
        with self.reasoner.request(*self.asked) as chunks:
            for chunk in chunks:
                self.usage = chunk.usage or self.usage
                for choice in chunk.choices[:1]:
                    ended = ended or choice.finish_reason is not None
                    piece, thinking = _piece(choice.delta, thinking)
                    if piece and self.first_token_s is None:
                        self.first_token_s = time.perf_counter()
                    if (
                        answer.parsed is None and piece
                    ):  # after the answer only the count of tokens is waited for
                        answer.feed(piece)
                        yield piece
                if stop.is_set():
                    return
        if (
            not ended and answer.parsed is None
        ):  # a server that dies closes the connection like one that is done
            raise EOFError("the stream ended before the answer did")


def _piece(delta: object, thinking: bool) -> tuple[str, bool]:
    """The text of one chunk, and whether the server's separate reasoning goes on; that is put between the project's tags."""
    extra = delta.model_extra or {}
    reasoning = extra.get("reasoning_content") or extra.get("reasoning") or ""
    written = delta.content or delta.refusal or ""
    piece = f"{TAGS[0]}{reasoning}" if reasoning and not thinking else reasoning
    thinking = thinking or bool(reasoning)
    if written and thinking:
        return f"{piece}{TAGS[1]}{written}", False
    return piece + written, thinking


def _why(error: Exception) -> str:
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

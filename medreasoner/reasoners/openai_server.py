"""Asks a vision-language model behind an OpenAI-compatible server: vLLM, GPT-4o, Gemini's compatible
endpoint.

A local server: `vllm serve Qwen/Qwen2.5-VL-7B-Instruct --port 8000`.

    reasoner = load_reasoner("openai:Qwen/Qwen2.5-VL-7B-Instruct@http://localhost:8000/v1") reasoner =
    load_reasoner("openai:gpt-4o")      # the key from OPENAI_API_KEY, another address from OPENAI_BASE_URL
"""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import openai
from PIL import Image

from medreasoner.output.data_url import image_data_url
from medreasoner.prompts import Prompt, messages, prompt_for
from medreasoner.reasoners.base import Completion, EncodedImage, ReasonerError
from medreasoner.reasoners.dialects import in_our_format
from medreasoner.reasoners.families import FAMILIES, Family, family_of
from medreasoner.reasoners.image_size import InputSize
from medreasoner.reasoners.openai_request import TIMEOUT, TRIES, Request

MAX_TOKENS = 2048
UNIT = 28  # pixels; families that count in input pixels leave sides that are multiples of it as they are


class OpenAIReasoner:
    """See `base.BatchReasoner`. Safe to use from several threads.

    Args:
        client: of the server.
        model: its name there.
        family: how it sees and writes.
    """

    paired_segmenter = calibration = revision = None

    def __init__(
        self, client: openai.OpenAI, model: str, family: Family, prompt: Prompt | None = None
    ) -> None:
        self.name = f"openai:{model}"
        self.frame, self.prompt = family.frame, prompt or prompt_for(family.frame)
        self.thinks_on_request = self.prompt.think != self.prompt.direct
        self._client, self._model, self._family = client, model, family
        self._size = InputSize(family.square, family.max_pixels)

    @staticmethod
    def open(model: str, prompt: Prompt | None = None, family: str | None = None) -> "OpenAIReasoner":
        """Prepare for `MODEL` or `MODEL@URL`; nothing is asked of the server yet. Errors: ReasonerError."""
        model, _, url = model.partition("@")
        family = family or family_of(model)
        if family is None:
            raise ReasonerError(
                f"how {model!r} writes coordinates is not known from its name; say it with --family, one of "
                f"{', '.join(FAMILIES)}"
            )
        key = os.environ.get("OPENAI_API_KEY", "none")  # a local server asks for none
        client = openai.OpenAI(base_url=url or None, api_key=key, timeout=TIMEOUT, max_retries=TRIES - 1)
        return OpenAIReasoner(client, model, FAMILIES[family], prompt)

    def encode(self, image: Image.Image) -> EncodedImage:
        """See `Reasoner.encode`: only resized, to sides the server will not change where coordinates are
        pixels of its input.
        """
        image = self._size.resized(image, UNIT if self.frame.limit is None else 1)
        return EncodedImage(image, image.size)

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """See `Reasoner.stream`."""
        with closing(self._request(encoded, question, think).pieces(stop)) as pieces:
            yield from in_our_format(pieces, self._family.dialect)

    def answer_batch(
        self, encoded: Sequence[EncodedImage], questions: Sequence[str], think: bool = True, at_once: int = 1
    ) -> Iterator[Completion]:
        """See `BatchReasoner.answer_batch`: `at_once` requests at a time. One that fails for good is a
        `Completion` with its error.
        """
        with ThreadPoolExecutor(at_once, "request") as threads:
            requests = [
                self._request(image, question, think)
                for image, question in zip(encoded, questions, strict=True)
            ]
            futures = [threads.submit(request.completion) for request in requests]
            try:
                for future in futures:
                    completion = future.result()
                    text = "".join(in_our_format(iter([completion.text]), self._family.dialect))
                    yield replace(completion, text=text)
            finally:
                for future in futures:
                    future.cancel()

    def _request(self, encoded: EncodedImage, question: str, think: bool) -> Request:
        return Request(self.name, lambda: self._send(encoded, question, think))

    def _send(self, encoded: EncodedImage, question: str, think: bool) -> openai.Stream:
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

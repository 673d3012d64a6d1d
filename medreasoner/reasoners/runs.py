"""The runs of one model, one at a time: the text it generates, and the beginning of a prompt that it reads.

Runs of one model wait for each other, because some families write the rotary offsets of the current run on
the model, and transformers promises no family to be free of such state.
"""

import threading
from collections.abc import Iterator

import torch
from transformers import (
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    StoppingCriteriaList,
)

from medreasoner.reasoners.answer_tokens import AnswerTokens
from medreasoner.reasoners.base import Completion
from medreasoner.reasoners.batch import generate_batch
from medreasoner.reasoners.generation import sampling_options
from medreasoner.reasoners.prefix import Prefix, read_prefix
from medreasoner.reasoners.small_decoder import SmallDecoder, fits
from medreasoner.reasoners.streaming import TextListener, opened_reasoning


class Runs:
    """Safe to use from several threads. What a model raises comes out as it is: RuntimeError, ValueError or
    IndexError.

    `inputs` are what `generate` takes: token ids (n, tokens), and the pixels or the image tokens.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model, self._tokenizer = model, tokenizer
        self._answer_tokens = AnswerTokens.of(tokenizer)
        self.decoder = SmallDecoder(model) if fits(model) else None
        self.running = threading.Lock()  # held by whichever run is under way

    def pieces(self, inputs: dict, stop: threading.Event, temperature: float | None) -> Iterator[str]:
        """The text of one run, piece by piece, while `generate` runs in a thread of its own.

        Args:
            temperature: of a text drawn at random; None for the most probable one.
        """
        begun = opened_reasoning(self._tokenizer, inputs["input_ids"][0].tolist())
        listener = TextListener(self._tokenizer, stop, self._answer_tokens, begun)
        yield from listener.read(lambda: self._generate(inputs, listener, temperature))

    def batch(self, inputs: dict) -> list[Completion]:
        """The whole texts of a batch, padded on the left."""
        with self.running:
            return generate_batch(self._model, self._tokenizer, self._answer_tokens, inputs)

    def prefix(self, ids: torch.Tensor, image_tokens: torch.Tensor) -> Prefix | None:
        """See `prefix.read_prefix`."""
        with self.running:
            return read_prefix(self._model, ids, image_tokens)

    def _generate(self, inputs: dict, listener: TextListener, temperature: float | None) -> None:
        while not self.running.acquire(timeout=0.05):
            if listener.finished():
                return
        try:
            if not listener.finished() and self.decoder is not None:
                self.decoder.write(inputs, listener.hear, temperature)
            elif not listener.finished():
                self._model.generate(
                    **inputs,
                    stopping_criteria=StoppingCriteriaList([listener]),
                    logits_processor=LogitsProcessorList([listener.probabilities]),
                    **sampling_options(temperature),
                )
        finally:
            self.running.release()

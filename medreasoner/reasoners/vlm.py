"""Runs any vision-language model of transformers' image-text-to-text classes as a Reasoner.

One class serves every family; what differs between families is data (`families.py`, `medreasoner.json`,
`prompt.json`). `loading.py` opens one from a folder.

    reasoner = load_reasoner("lingshu-medical-mllm/Lingshu-7B")
    for piece in reasoner.stream(reasoner.encode(image), "What explains the bright focus?"): ...

A model whose vision tower is SAM 2's shares it with the segmenter (see `shared_tower.py`): `encode` runs it
once, and the maps that a SAM 2 mask decoder reads come out of the same pass as `EncodedImage.features`.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from transformers import BatchFeature, PreTrainedModel, ProcessorMixin

from medreasoner.confidence import Calibration
from medreasoner.geometry import Frame
from medreasoner.messages import first_line
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import Completion, EncodedImage, PairedSegmenter, ReasonerError
from medreasoner.reasoners.batch import shared_inputs
from medreasoner.reasoners.chat_inputs import chat_inputs, control_tokens, thinks_on_request
from medreasoner.reasoners.checkpoint import processed_wh
from medreasoner.reasoners.dialects import in_our_format
from medreasoner.reasoners.generation import make_greedy
from medreasoner.reasoners.image_size import DEFAULT_SIZE, InputSize
from medreasoner.reasoners.processor_trial import FAILURES
from medreasoner.reasoners.runs import Runs
from medreasoner.reasoners.shared_tower import encoded_for_both, shares_vision_tower
from medreasoner.weights import weights_of


class VlmReasoner:
    """See `base.SamplingReasoner` and `base.BatchReasoner`.

    Safe to use from several threads: runs of one model wait for each other (see `runs.py`).

    Args:
        size: what an image is resized to before the model's own processor.
        segmenter: folder or Hub id of the segmenter that was made for this model; it shares the vision tower
            if it can.
        dialects: how the family writes a box in its own way, see `families.Family`.
        calibration: of its confidence; None where none was fitted.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        name: str,
        frame: Frame,
        prompt: Prompt,
        *,
        size: InputSize = DEFAULT_SIZE,
        segmenter: Path | str | None = None,
        dialects: tuple[str, ...] = (),
        calibration: Calibration | None = None,
    ) -> None:
        self.name, self.frame, self.prompt, self.calibration = name, frame, prompt, calibration
        self.revision: str | None = None
        self._tower_shared = shares_vision_tower(model.config)
        self.paired_segmenter = None
        if segmenter is not None:
            tower = model.model.vision_tower if self._tower_shared else None
            self.paired_segmenter = PairedSegmenter(tower, segmenter)
        self._model, self._processor, self._size, self._dialects = model, processor, size, dialects
        self._control_tokens = control_tokens(processor)
        self.thinks_on_request = thinks_on_request(processor, prompt)
        make_greedy(model, processor)
        self._runs = Runs(model, processor.tokenizer)

    def weights(self) -> dict[int, int]:
        """See `InMemory`."""
        return weights_of(self._model)

    def encode(self, image: Image.Image) -> EncodedImage:
        """See `Reasoner.encode`."""
        image = self._size.resized(image)
        try:
            pixels = self._processor.image_processor(images=[image], return_tensors="pt")
            input_wh = processed_wh(pixels, self._processor)
            if not self._tower_shared:
                return EncodedImage(image, input_wh)
            with torch.no_grad():
                outputs = self._model.get_image_features(
                    self._placed(pixels)["pixel_values"], return_dict=True
                )
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(
                f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}"
            ) from error
        return encoded_for_both(image, input_wh, outputs)

    def prepare(self, encoded: EncodedImage) -> None:
        """See `PreparingReasoner.prepare`; only a model with a shared tower has the image's tokens for it."""
        if not self._tower_shared:
            return
        ids = self._inputs(encoded, "?", think=True)["input_ids"]
        (tokens,) = encoded.inputs["mm_encoder_outputs"]["image"].pooler_output
        try:
            encoded.prefix = self._runs.prefix(ids, tokens)
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(f"{self.name} cannot take in this image: {first_line(error)}") from error

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """See `Reasoner.stream`. One piece per token. Closing the generator ends the run within a token, but
        reading a long prompt cannot be interrupted."""
        yield from self._translated(encoded, question, think, stop)

    def sample(
        self,
        encoded: EncodedImage,
        question: str,
        think: bool = True,
        stop: threading.Event | None = None,
        temperature: float = 1.0,
    ) -> Iterator[str]:
        """See `SamplingReasoner.sample`."""
        yield from self._translated(encoded, question, think, stop, temperature)

    def answer_batch(
        self, encoded: Sequence[EncodedImage], questions: Sequence[str], think: bool = True, at_once: int = 1
    ) -> Iterator[Completion]:
        """See `BatchReasoner.answer_batch`: one `generate` for every `at_once` questions."""
        pairs = list(zip(encoded, questions, strict=True))
        for begin in range(0, len(pairs), at_once):
            inputs = self._batch_inputs(pairs[begin : begin + at_once], think)
            try:
                completions = self._runs.batch(inputs)
            except (RuntimeError, ValueError, IndexError) as error:
                raise ReasonerError(f"{self.name} stopped with an error: {first_line(error)}") from error
            for each in completions:
                yield replace(each, text="".join(in_our_format(iter([each.text]), self._dialects)))

    def _translated(
        self,
        encoded: EncodedImage,
        question: str,
        think: bool,
        stop: threading.Event | None,
        temperature: float | None = None,
    ) -> Iterator[str]:
        """The model's text, followed by its answer in the project's format where it kept to its family's."""
        inputs = self._inputs(encoded, question, think)
        if encoded.prefix is not None and encoded.prefix.begins(inputs["input_ids"]):
            inputs = encoded.prefix.continued(inputs)
        with closing(self._pieces(inputs, stop or threading.Event(), temperature)) as pieces:
            yield from in_our_format(pieces, self._dialects)

    def _pieces(self, inputs: dict, stop: threading.Event, temperature: float | None) -> Iterator[str]:
        try:
            yield from self._runs.pieces(inputs, stop, temperature)
        except (RuntimeError, ValueError, IndexError) as error:
            raise ReasonerError(f"{self.name} stopped with an error: {first_line(error)}") from error

    def _inputs(self, encoded: EncodedImage, question: str, think: bool) -> dict:
        return self._batch_inputs([(encoded, question)], think)

    def _batch_inputs(self, pairs: Sequence[tuple[EncodedImage, str]], think: bool) -> dict:
        """What `generate` takes for these images and questions: token ids and either the pixels or, from a
        shared vision tower, the image tokens.
        """
        try:
            inputs = chat_inputs(self._processor, self.prompt, pairs, think, self._control_tokens)
        except FAILURES as error:  # the template is a program of whoever made the checkpoint
            raise ReasonerError(f"{self.name} cannot take in this question: {first_line(error)}") from error
        shared = shared_inputs([encoded.inputs for encoded, _ in pairs])
        if shared:
            del inputs["pixel_values"]
        return {**self._placed(inputs), **shared}

    def _placed(self, inputs: BatchFeature) -> BatchFeature:
        return inputs.to(self._model.device, dtype=self._model.dtype)

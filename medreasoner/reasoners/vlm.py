"""Any vision-language model of transformers' image-text-to-text classes as a Reasoner.

Is: one class for every family; what differs between families is data (`families.FAMILIES`, `medreasoner.json`, `prompt.json`).
Is not: training or serving.

    reasoner = load_reasoner("lingshu-medical-mllm/Lingshu-7B")
    for piece in reasoner.stream(reasoner.encode(image), "What explains the bright focus?"): ...

A LLaVA model whose vision tower is SAM 2's (`sam2_vision_model`) shares its tower with the segmenter: the image is encoded once in `encode`, and the maps a
SAM 2 mask decoder reads come out of the same pass as `EncodedImage.features`.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from transformers import (
    BatchFeature,
    LogitsProcessorList,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
    StoppingCriteriaList,
)
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.geometry import Frame
from medreasoner.manifest import Manifest, first_line
from medreasoner.prompts import Prompt, messages
from medreasoner.reasoners.base import Completion, EncodedImage, PairedSegmenter, ReasonerError
from medreasoner.reasoners.batch import generate_batch, joined
from medreasoner.reasoners.checkpoint import (
    fitting_prompt,
    holding,
    merge_adapter,
    open_config,
    open_model,
    open_processor,
)
from medreasoner.reasoners.dialects import in_our_format
from medreasoner.reasoners.families import ANY_OTHER, FAMILIES
from medreasoner.reasoners.streaming import TextListener

MAX_NEW_TOKENS = 2048  # where the checkpoint's generation_config sets none


class VlmReasoner:
    """See `reasoner.Reasoner`. Safe to use from several threads: runs of one model wait for each other, because some families write the
    rotary offsets of the current run on the model, and transformers promises no family to be free of such state.

    Args:
        square, max_pixels: what an image is resized to before the model's own processor, as in `families.Family`.
        segmenter: folder or Hub id of the segmenter that was made for this model, and shares its vision tower if it can.
        dialects: how its family writes a box in its own way, as in `families.Family`.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        processor: ProcessorMixin,
        name: str,
        frame: Frame,
        prompt: Prompt,
        square: int | None = None,
        max_pixels: int = ANY_OTHER.max_pixels,
        segmenter: Path | str | None = None,
        dialects: tuple[str, ...] = (),
    ):
        self.name, self.revision, self.frame, self.prompt = name, None, frame, prompt
        self.paired_segmenter = (
            None
            if segmenter is None
            else PairedSegmenter(
                model.model.vision_tower if shares_vision_tower(model.config) else None, segmenter
            )
        )
        self._model, self._processor = model, processor
        self._square, self._max_pixels, self._dialects = square, max_pixels, dialects
        self._running = threading.Lock()
        self._control_tokens = _control_tokens(processor)
        _settle_generation(model, processor)

    @staticmethod
    def load(
        folder: Path,
        name: str,
        device: str,
        prompt: Prompt | None = None,
        adapter: Path | None = None,
        family: str | None = None,
    ) -> "VlmReasoner":
        """Open a local model folder, or the `adapter` on it; what the adapter's folder has beside its weights goes before the base's.
        Without a `family` config.json says it.

        Errors: ReasonerError.
        """
        folders = [folder] if adapter is None else [adapter, folder]
        config = open_config(folder)
        family = FAMILIES.get(family or config.model_type, ANY_OTHER)
        try:
            manifest = Manifest.read(holding(folders, "medreasoner.json"))
        except ValueError as error:
            raise ReasonerError(str(error)) from error
        frame = manifest.frame or family.frame
        prompt = fitting_prompt(holding(folders, "prompt.json"), manifest, frame, prompt)
        processor = open_processor(holding(folders, "processor_config.json", "preprocessor_config.json"))
        square, max_pixels = manifest.square or family.square, manifest.max_pixels or family.max_pixels
        _check_square(manifest.square, processor, folders[0])
        model = open_model(folder, config, device, _dtype(config, device))
        if adapter is not None:
            model = merge_adapter(model, adapter)
        dialects = (
            () if manifest.frame else family.dialect
        )  # a model with a frame of its own was trained here, on the project's format
        segmenter = _segmenter_of(folders, manifest, config)
        return VlmReasoner(model, processor, name, frame, prompt, square, max_pixels, segmenter, dialects)

    def encode(self, image: Image.Image) -> EncodedImage:
        """See `Reasoner.encode`. An image larger than the model takes is resized here; `EncodedImage.image` is what the model gets."""
        image = self._resized(image)
        try:
            pixels = self._processor.image_processor(images=[image], return_tensors="pt")
            input_wh = _input_wh(pixels, self._processor)
            if not shares_vision_tower(self._model.config):
                return EncodedImage(image, input_wh)
            with torch.no_grad():
                seen = self._model.get_image_features(self._placed(pixels)["pixel_values"], return_dict=True)
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(
                f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}"
            ) from error
        # generate counts one token per row of each entry, so the 16 x 16 grid goes in flat
        tokens = BaseModelOutputWithPooling(
            pooler_output=[grid.flatten(0, -2) for grid in seen.pooler_output]
        )
        image = image.resize(input_wh, Image.Resampling.NEAREST)  # only its size matters from here on
        return EncodedImage(
            image, input_wh, tuple(seen.fpn_hidden_states), {"mm_encoder_outputs": {"image": tokens}}
        )

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """See `Reasoner.stream`. One piece per token; closing the generator ends the run and waits for it (one token at most, but
        reading a long prompt cannot be interrupted)."""
        with closing(self._pieces(encoded, question, think, stop or threading.Event())) as pieces:
            yield from in_our_format(pieces, self._dialects)

    def sample(
        self,
        encoded: EncodedImage,
        question: str,
        think: bool = True,
        stop: threading.Event | None = None,
        temperature: float = 1.0,
    ) -> Iterator[str]:
        """See `SamplingReasoner.sample`."""
        with closing(
            self._pieces(encoded, question, think, stop or threading.Event(), temperature)
        ) as pieces:
            yield from in_our_format(pieces, self._dialects)

    def _pieces(
        self,
        encoded: EncodedImage,
        question: str,
        think: bool,
        stop: threading.Event,
        temperature: float | None = None,
    ) -> Iterator[str]:
        listener = TextListener(self._processor.tokenizer, stop)
        inputs = self._inputs(encoded, question, think)
        with ThreadPoolExecutor(1, "generate") as thread:
            run = thread.submit(self._generate, inputs, listener, temperature)
            run.add_done_callback(lambda _: listener.end())
            try:
                for piece in iter(listener.pieces.get, None):
                    yield piece
                    if stop.is_set():
                        break
            finally:
                listener.leave()
        try:
            run.result()
        except (RuntimeError, ValueError, IndexError) as error:
            raise ReasonerError(f"{self.name} stopped with an error: {first_line(error)}") from error

    def _generate(self, inputs: dict, listener: TextListener, temperature: float | None) -> None:
        while not self._running.acquire(timeout=0.05):
            if listener.finished():
                return
        try:
            if not listener.finished():
                heard = {
                    "stopping_criteria": StoppingCriteriaList([listener]),
                    "logits_processor": LogitsProcessorList([listener.odds]),
                }
                self._model.generate(**inputs, **heard, **_drawing(temperature))
        finally:
            self._running.release()

    def answer_batch(
        self, encoded: Sequence[EncodedImage], questions: Sequence[str], think: bool = True, at_once: int = 1
    ) -> Iterator[Completion]:
        """See `BatchReasoner.answer_batch`: one `generate` for every `at_once` questions, padded on the left."""
        for begin in range(0, len(encoded), at_once):
            part = list(
                zip(encoded[begin : begin + at_once], questions[begin : begin + at_once], strict=True)
            )
            inputs = self._batch_inputs(part, think)
            try:
                with self._running:
                    said = generate_batch(self._model, self._processor.tokenizer, inputs)
            except (RuntimeError, ValueError, IndexError) as error:
                raise ReasonerError(f"{self.name} stopped with an error: {first_line(error)}") from error
            for one in said:
                yield replace(one, text="".join(in_our_format(iter([one.text]), self._dialects)))

    def _inputs(self, encoded: EncodedImage, question: str, think: bool) -> dict:
        """What `generate` takes: token ids and either the pixels or, from a shared vision tower, the image tokens."""
        return self._batch_inputs([(encoded, question)], think)

    def _batch_inputs(self, asked: Sequence[tuple[EncodedImage, str]], think: bool) -> dict:
        options = (
            {"return_tensors": "pt"}
            if len(asked) == 1
            else {"return_tensors": "pt", "padding": True, "padding_side": "left"}
        )
        chats = [self._chat(encoded, question, think) for encoded, question in asked]
        try:
            inputs = self._processor.apply_chat_template(
                chats, add_generation_prompt=True, tokenize=True, return_dict=True, processor_kwargs=options
            )
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(f"{self.name} cannot take in this question: {first_line(error)}") from error
        shared = joined([encoded.inputs for encoded, _ in asked])
        if shared:
            del inputs["pixel_values"]
        return {**self._placed(inputs), **shared}

    def _chat(self, encoded: EncodedImage, question: str, think: bool) -> list[dict]:
        for token in self._control_tokens:
            # a question that spells a control token stays words: with a space inside it no longer is one
            question = question.replace(token, f"{token[0]} {token[1:]}")
        chat = messages(self.prompt.text(question, think), self.prompt.system)
        chat[-1]["content"][0]["image"] = encoded.image
        return chat

    def _placed(self, inputs: BatchFeature) -> BatchFeature:
        return inputs.to(self._model.device, dtype=self._model.dtype)

    def _resized(self, image: Image.Image) -> Image.Image:
        if self._square is not None:
            return image.resize((self._square, self._square), Image.Resampling.BICUBIC)
        excess = image.width * image.height / self._max_pixels
        if excess <= 1:
            return image
        width, height = (max(1, round(side / excess**0.5)) for side in image.size)
        return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=3.0)


def shares_vision_tower(config: PreTrainedConfig) -> bool:
    """Whether the model's vision tower is SAM 2's image encoder."""
    return config.model_type == "llava" and config.vision_config.model_type == "sam2_vision_model"


def _segmenter_of(folders: Sequence[Path], manifest: Manifest, config: PreTrainedConfig) -> Path | str | None:
    """Where the segmenter lies that was made for the model, None where there is none. Errors: ReasonerError."""
    named = manifest.segmenter
    if named is None or "/" in named:
        return named
    folder = next((folder for folder in folders if (folder / named).is_dir()), None)
    if folder is None and not shares_vision_tower(config):
        raise ReasonerError(
            f"{folders[0]}/medreasoner.json names the segmenter {named!r}, but there is no such folder, and this {config.model_type} has "
            "no SAM 2 vision tower to share"
        )
    return (folder or folders[0]) / named


def _check_square(square: int | None, processor: ProcessorMixin, folder: Path) -> None:
    """Errors: ReasonerError if the processor changes the size that the checkpoint says it was trained with."""
    if square is None:
        return
    seen = _input_wh(
        processor.image_processor(images=[Image.new("RGB", (square, square))], return_tensors="pt"), processor
    )
    if seen != (square, square):
        raise ReasonerError(
            f"{folder}: medreasoner.json says the model sees {square} x {square} pixels, but its image processor makes that "
            f"{seen[0]} x {seen[1]}; coordinates would not be those it was trained with. Correct square, or the processor's limits"
        )


def _dtype(config: PreTrainedConfig, device: str) -> torch.dtype | str:
    """As stored, but never half precision on a CPU (slow) or in a shared vision tower (masks differ visibly)."""
    if shares_vision_tower(config) or (device == "cpu" and config.dtype != torch.bfloat16):
        return torch.float32
    return "auto"


def _control_tokens(processor: ProcessorMixin) -> list[str]:
    """Every token that means something other than its letters: turns, image places, padding. Longest first."""
    tokenizer = processor.tokenizer
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted(
        (token for token in special | set(tokenizer.all_special_tokens) if len(token) > 1),
        key=len,
        reverse=True,
    )


def _settle_generation(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    """Greedy, with an end: the same answer each time, and never an endless one."""
    settings = model.generation_config
    settings.do_sample = False
    settings.temperature = settings.top_p = settings.top_k = None
    settings.max_length = None
    if settings.max_new_tokens is None:
        settings.max_new_tokens = MAX_NEW_TOKENS
    if settings.eos_token_id is None:
        settings.eos_token_id = processor.tokenizer.eos_token_id
    if settings.pad_token_id is None:
        settings.pad_token_id = processor.tokenizer.pad_token_id


def _drawing(temperature: float | None) -> dict:
    """What `generate` is told besides: nothing for the greedy answer, else to draw from the whole distribution."""
    return (
        {}
        if temperature is None
        else {"do_sample": True, "temperature": float(temperature), "top_k": 0, "top_p": 1.0}
    )


def _input_wh(pixels: BatchFeature, processor: ProcessorMixin) -> tuple[int, int]:
    """(width, height) of the image as it entered the vision tower."""
    if "image_grid_thw" in pixels:
        _, rows, columns = pixels["image_grid_thw"][0].tolist()
        patch = processor.image_processor.patch_size
        return columns * patch, rows * patch
    height, width = pixels["pixel_values"].shape[-2:]
    return width, height

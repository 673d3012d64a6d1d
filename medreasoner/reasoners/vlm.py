"""Any vision-language model of transformers' image-text-to-text classes as a Reasoner.

Is: one class for every family; what differs between families is data (`reasoner.FAMILIES`, `medreasoner.json`, `prompt.json`).
Is not: training, batching or serving.

    reasoner = load_reasoner("lingshu-medical-mllm/Lingshu-7B")
    for piece in reasoner.stream(reasoner.look(image), "What explains the bright focus?"): ...

A LLaVA model whose vision tower is SAM 2's (`sam2_vision_model`) shares its eye: the image is encoded once in `look`, and the maps a
SAM 2 mask decoder reads come out of the same pass as `Look.features`.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from transformers import BatchFeature, PreTrainedConfig, PreTrainedModel, ProcessorMixin, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutputWithPooling

from medreasoner.answer import Prompt, messages
from medreasoner.geometry import Frame
from medreasoner.loading import Manifest, first_line
from medreasoner.reasoner import ANY_OTHER, FAMILIES, Eye, Look, ReasonerError, prompt_for
from medreasoner.reasoners.checkpoint import open_config, open_model, open_processor, pick_device
from medreasoner.reasoners.listener import Listener

MAX_NEW_TOKENS = 2048  # where the checkpoint's generation_config sets none


class VlmReasoner:
    """See `reasoner.Reasoner`. Safe to use from several threads: runs of one model wait for each other, because some families write the
    rotary offsets of the current run on the model, and transformers promises no family to be free of such state.

    Args:
        square, max_pixels: what an image is resized to before the model's own processor, as in `reasoner.Family`.
        segmenter: folder of the mask decoder that shares this model's vision tower.
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
        segmenter: Path | None = None,
    ):
        self.name, self.frame, self.prompt = name, frame, prompt
        self.eye = None if segmenter is None else Eye(model.model.vision_tower, segmenter)
        self._model, self._processor = model, processor
        self._square, self._max_pixels = square, max_pixels
        self._running = threading.Lock()
        self._control_tokens = _control_tokens(processor)
        _settle_generation(model, processor)

    @staticmethod
    def load(folder: Path, name: str, device: str | None = None, prompt: Prompt | None = None) -> "VlmReasoner":
        """Open a local model folder. Errors: ReasonerError."""
        config = open_config(folder)
        family = FAMILIES.get(config.model_type, ANY_OTHER)
        try:
            manifest = Manifest.read(folder)
        except ValueError as error:
            raise ReasonerError(str(error)) from error
        frame = manifest.frame or family.frame
        if prompt is None:
            prompt = _prompt_beside(folder) or prompt_for(frame)
        processor = open_processor(folder)
        device = pick_device(device)
        model = open_model(folder, config, device, _dtype(config, device))
        if manifest.segmenter is not None and not shares_eye(config):
            raise ReasonerError(
                f"{folder}/medreasoner.json names a segmenter, but this {config.model_type} has no SAM 2 vision tower to share"
            )
        segmenter = None if manifest.segmenter is None else folder / manifest.segmenter
        square, max_pixels = manifest.square or family.square, manifest.max_pixels or family.max_pixels
        return VlmReasoner(model, processor, name, frame, prompt, square, max_pixels, segmenter)

    def look(self, image: Image.Image) -> Look:
        """See `Reasoner.look`. An image larger than the model takes is resized here; `Look.image` is what the model gets."""
        image = self._resized(image)
        try:
            pixels = self._processor.image_processor(images=[image], return_tensors="pt")
            input_wh = _input_wh(pixels, self._processor)
            if not shares_eye(self._model.config):
                return Look(image, input_wh)
            with torch.no_grad():
                seen = self._model.get_image_features(self._placed(pixels)["pixel_values"], return_dict=True)
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}") from error
        # generate counts one token per row of each entry, so the 16 x 16 grid goes in flat
        tokens = BaseModelOutputWithPooling(pooler_output=[grid.flatten(0, -2) for grid in seen.pooler_output])
        image = image.resize(input_wh, Image.Resampling.NEAREST)  # only its size matters from here on
        return Look(image, input_wh, tuple(seen.fpn_hidden_states), {"mm_encoder_outputs": {"image": tokens}})

    def stream(self, look: Look, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[str]:
        """See `Reasoner.stream`. One piece per token; closing the generator ends the run and waits for it (one token at most, but
        reading a long prompt cannot be interrupted)."""
        stop = stop or threading.Event()
        listener = Listener(self._processor.tokenizer, stop)
        inputs = self._inputs(look, question, think)
        with ThreadPoolExecutor(1, "generate") as thread:
            run = thread.submit(self._generate, inputs, listener)
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

    def _generate(self, inputs: dict, listener: Listener) -> None:
        while not self._running.acquire(timeout=0.05):
            if listener.finished():
                return
        try:
            if not listener.finished():
                self._model.generate(**inputs, stopping_criteria=StoppingCriteriaList([listener]))
        finally:
            self._running.release()

    def _inputs(self, look: Look, question: str, think: bool) -> dict:
        """What `generate` takes: token ids and either the pixels or, from a shared eye, the image tokens."""
        for token in self._control_tokens:
            # a question that spells a control token stays words: with a space inside it no longer is one
            question = question.replace(token, f"{token[0]} {token[1:]}")
        chat = messages(self.prompt.text(question, think), self.prompt.system)
        chat[-1]["content"][0]["image"] = look.image
        try:
            inputs = self._processor.apply_chat_template(
                chat, add_generation_prompt=True, tokenize=True, return_dict=True, processor_kwargs={"return_tensors": "pt"}
            )
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(f"{self.name} cannot take in this question: {first_line(error)}") from error
        if look.inputs:
            del inputs["pixel_values"]
        return {**self._placed(inputs), **look.inputs}

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


def shares_eye(config: PreTrainedConfig) -> bool:
    """Whether the model looks through SAM 2's image encoder."""
    return config.model_type == "llava" and config.vision_config.model_type == "sam2_vision_model"


def _prompt_beside(folder: Path) -> Prompt | None:
    path = folder / "prompt.json"
    if not path.exists():
        return None
    try:
        return Prompt.load(path)
    except (ValueError, TypeError, AttributeError) as error:  # the last two: templates that are no text
        raise ReasonerError(f"{path} cannot be used: {first_line(error)}") from error


def _dtype(config: PreTrainedConfig, device: str) -> torch.dtype | str:
    """As stored, but never half precision on a CPU (slow) or in a shared eye (masks differ visibly)."""
    if shares_eye(config) or (device == "cpu" and config.dtype != torch.bfloat16):
        return torch.float32
    return "auto"


def _control_tokens(processor: ProcessorMixin) -> list[str]:
    """Every token that means something other than its letters: turns, image places, padding. Longest first."""
    tokenizer = processor.tokenizer
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted((token for token in special | set(tokenizer.all_special_tokens) if len(token) > 1), key=len, reverse=True)


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


def _input_wh(pixels: BatchFeature, processor: ProcessorMixin) -> tuple[int, int]:
    """(width, height) of the image as it entered the vision tower."""
    if "image_grid_thw" in pixels:
        _, rows, columns = pixels["image_grid_thw"][0].tolist()
        patch = processor.image_processor.patch_size
        return columns * patch, rows * patch
    height, width = pixels["pixel_values"].shape[-2:]
    return width, height

"""What is known of a model before its weights are opened: processor, prompt, coordinate frame and how images
are resized.

The choices are those of `medreasoner.reasoners.conventions` at inference, so that a model is trained on the
images and the prompt it answers on.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image
from transformers import ProcessorMixin

from medreasoner.geometry import Frame
from medreasoner.hub.pull import fetch_folder
from medreasoner.manifest import adapter_base
from medreasoner.prompts import Prompt, messages
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.checkpoint import processed_wh
from medreasoner.reasoners.conventions import open_conventions
from medreasoner.reasoners.image_size import InputSize

PROBE_WH = (1536, 768)  # neither square nor small: a processor of varying sizes makes no square of it


@dataclass(frozen=True)
class ModelSpec:
    """A model's conventions.

    Args:
        folder: of the model, or of an adapter.
        size: to which images are resized before the processor.
        absence: whether the model may answer that nothing is there; others are not asked for it.
    """

    folder: Path
    processor: ProcessorMixin
    prompt: Prompt
    frame: Frame
    size: InputSize
    absence: bool = False

    @cached_property
    def side(self) -> int | None:
        """Side in pixels of the one size in which every image enters the model; None where sizes vary or
        images are cut into tiles."""
        if self.size.square is not None:
            return self.size.square
        match self.inputs(Image.new("RGB", PROBE_WH), "?")["pixel_values"].shape:
            case (1, _, height, width) if height == width:
                return width
        return None

    def resize(self, image: Image.Image) -> Image.Image:
        """The image as a training row holds it: in the fixed size where there is one, else as
        `size` says.

        One size for all rows is more than a saving: mixed sizes corrupt prompts silently with vLLM
        (trl#6401).
        """
        image = self.size.resized(image)
        if self.side is None or image.size == (self.side, self.side):
            return image
        images = self.processor.image_processor
        pixels = images(image, do_rescale=False, do_normalize=False, return_tensors="np")["pixel_values"][0]
        return Image.fromarray(pixels.transpose(1, 2, 0).astype("uint8"))

    def input_wh(self, image: Image.Image) -> tuple[int, int]:
        """(width, height) in pixels in which a resized image enters the vision tower; coordinates without
        a limit are in these."""
        return processed_wh(
            self.processor.image_processor(images=[image], return_tensors="pt"), self.processor
        )

    def inputs(self, image: Image.Image, question: str) -> dict:
        """What the processor makes of one image and question: `input_ids` (1, L), `pixel_values` and the
        family's own tensors."""
        chat = messages(self.prompt.text(question), self.prompt.system)
        chat[-1]["content"][0]["image"] = image
        return self.processor.apply_chat_template(
            chat,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            processor_kwargs={"return_tensors": "pt"},
        )


def open_model_spec(model: str | Path) -> ModelSpec:
    """The conventions of a model or adapter: its own where its folder states them, else its family's.

    Errors: HubError, ReasonerError.
    """
    folder = fetch_folder(model)
    base = base_of(folder)
    found = open_conventions([folder] if base is None else [folder, base])
    found.processor.tokenizer.padding_side = "left"
    absence = bool(found.manifest.absence)
    return ModelSpec(folder, found.processor, found.prompt, found.frame, found.size, absence)


def base_of(folder: Path) -> Path | None:
    """The folder of the model that an adapter in `folder` was trained on; None if it holds no adapter.
    Errors: HubError, ReasonerError."""
    try:
        base = adapter_base(folder)
    except ValueError as error:
        raise ReasonerError(str(error)) from error
    return None if base is None else fetch_folder(*base)

"""Asks SAM 3 in words: the instance that fits the question best becomes a box and two points.

It does not reason: the question goes to SAM 3's text encoder as it is, and the best instance is written in
the project's format. Where no instance is likely enough the text says so and holds no answer. The final mask
is drawn by a segmenter from box and points; SAM 3's own tracker is one (see `segmenters/sam.py`).
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import Sam3Model, Sam3Processor

from medreasoner.answer import Answer, render
from medreasoner.geometry import INPUT_PIXELS, mask_to_points
from medreasoner.messages import first_line
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import EncodedImage, ReasonerError
from medreasoner.weights import weights_of

THRESHOLD = 0.3  # of an instance's probability; the processor's own
MAX_TOKENS = 32  # that the text encoder reads


class Sam3Reasoner:
    """See `base.Reasoner`. Coordinates are pixels of the original image."""

    frame = INPUT_PIXELS
    paired_segmenter = calibration = revision = None
    prompt = Prompt("{question}", "{question}")
    thinks_on_request = False

    def __init__(self, model: Sam3Model, processor: Sam3Processor, name: str) -> None:
        self.name = name
        self._model, self._processor = model, processor

    @staticmethod
    def load(folder: Path, name: str, device: str) -> "Sam3Reasoner":
        """Open a folder of facebook/sam3's layout. Errors: ReasonerError."""
        try:
            processor = Sam3Processor.from_pretrained(folder, local_files_only=True)
            options = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
            model, info = Sam3Model.from_pretrained(folder, **options)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise ReasonerError(f"{folder} is not a usable SAM 3: {first_line(error)}") from error
        if info["missing_keys"]:
            missing = sorted(info["missing_keys"])
            raise ReasonerError(f"the weights in {folder} lack {len(missing)} tensors, {missing[0]} for one")
        model.to(device).eval().requires_grad_(False)
        return Sam3Reasoner(model, processor, name)

    def weights(self) -> dict[int, int]:
        """See `InMemory`."""
        return weights_of(self._model)

    def encode(self, image: Image.Image) -> EncodedImage:
        """See `Reasoner.encode`."""
        try:
            pixels = self._processor(images=image, return_tensors="pt")["pixel_values"]
            with torch.no_grad():
                features = self._model.get_vision_features(pixels.to(self._model.device, self._model.dtype))
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(
                f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}"
            ) from error
        return EncodedImage(image, image.size, inputs={"vision_embeds": features})

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """See `Reasoner.stream`; one piece."""
        words = self._processor.tokenizer(
            question, return_tensors="pt", padding="max_length", truncation=True, max_length=MAX_TOKENS
        ).to(self._model.device)
        try:
            with torch.no_grad():
                out = self._model(
                    **encoded.inputs, input_ids=words["input_ids"], attention_mask=words["attention_mask"]
                )
                size = encoded.image.size[::-1]
                (instances,) = self._processor.post_process_instance_segmentation(
                    out, threshold=THRESHOLD, target_sizes=[size]
                )
        except (RuntimeError, ValueError) as error:
            raise ReasonerError(f"{self.name} stopped with an error: {first_line(error)}") from error
        if not len(instances["scores"]):
            yield "No instance of it is likely enough."
            return
        best = int(instances["scores"].argmax())
        box, mask = instances["boxes"][best].tolist(), instances["masks"][best].bool().cpu().numpy()
        x1, y1, x2, y2 = box
        points = mask_to_points(mask) if mask.any() else (((x1 + x2) / 2, (y1 + y2) / 2),) * 2
        yield render(Answer(tuple(box), points))

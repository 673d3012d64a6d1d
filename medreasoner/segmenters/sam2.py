"""SAM 2 through transformers, with an image encoder of its own or with the vision tower of a reasoner.

Its folder holds `config.json` of a Sam2Config, `model.safetensors` and `medreasoner.json` with `multimask`.
Where it holds no `vision_encoder.*` tensors, the encoder is the reasoner's vision tower: the feature maps are
adopted and a mask costs one decode. Weights in the `sam2` package's layout go through `sam2_package.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch.nn.functional import interpolate
from transformers import Sam2Model

from medreasoner.manifest import Manifest
from medreasoner.messages import first_line
from medreasoner.segmenters.base import PROMPTS, SegmenterError, SegmenterPrompt, check_alike
from medreasoner.segmenters.cleanup import tidy
from medreasoner.segmenters.sam2_decoder import can_decode, decode_many
from medreasoner.segmenters.sam2_encoder import Encoder, can_encode
from medreasoner.segmenters.sam2_model import CLIPPED_LOGITS, decode, image_processor, mask_inputs
from medreasoner.segmenters.sam2_weights import open_sam2
from medreasoner.weights import weights_of


@dataclass(frozen=True)
class Encoded:
    """What the mask decoder reads of one image, and its size.

    Args:
        maps: (1, 32, 4s, 4s), (1, 64, 2s, 2s) and (1, 256, s, s), with s = side of the model's input / 16.
        image_wh: of the original image.
    """

    maps: list[torch.Tensor]
    image_wh: tuple[int, int]


class Sam2Segmenter:
    """See `base.Segmenter`. Holds no state of a run: several threads may use one object.

    Args:
        model: in evaluation mode; its `vision_encoder` may be the vision tower of a reasoner.
        shared: whether `features` given to `encode` come from that very encoder and can be adopted.
        multimask: choose the mask of highest predicted IoU out of three, or take the single one.
        specks: regions and holes smaller than this share of the mask are removed.
        passes: of the mask decoder for each mask, see `sam2_model.decode`.
    """

    draws_from = PROMPTS

    def __init__(
        self,
        model: Sam2Model,
        name: str,
        *,
        shared: bool,
        multimask: bool = True,
        specks: float = 0.0,
        passes: int = 1,
    ) -> None:
        self.name = name
        self.revision: str | None = None
        self._model, self._shared, self._multimask = model, shared, multimask
        self._specks, self._passes = specks, passes
        self._side = model.config.prompt_encoder_config.image_size
        self._processor = image_processor(self._side)
        self._encoder: Encoder | None = None

    @staticmethod
    def load(folder: Path, name: str, device: str, tower: torch.nn.Module | None = None) -> "Sam2Segmenter":
        """Open a folder.

        Args:
            device: as torch names it; a shared tower stays where it is and decides instead.
            tower: of a reasoner; taken only if the folder holds no vision encoder.

        Errors: SegmenterError.
        """
        try:
            manifest = Manifest.read(folder)
            model, shared = open_sam2(folder, tower)
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise SegmenterError(f"{folder} is not a usable SAM 2 segmenter: {first_line(error)}") from error
        model.to(next(tower.parameters()).device if shared else device)
        return Sam2Segmenter(
            model,
            name,
            shared=shared,
            multimask=manifest.multimask is not False,
            specks=manifest.specks or 0.0,
            passes=manifest.looks or 1,
        )

    def weights(self) -> dict[int, int]:
        """See `InMemory`."""
        return weights_of(self._model)

    def encode(self, image: Image.Image, features: object = None) -> Encoded:
        """See `Segmenter.encode`; `features` are the encoder's FPN maps, finest first."""
        model = self._model
        with torch.no_grad():
            try:
                if features is None or not self._shared:
                    pixels = self._processor(image, return_tensors="pt")["pixel_values"].to(model.device)
                    features = self._features(pixels)
                maps = mask_inputs(model, features)
            except (RuntimeError, ValueError) as error:
                raise SegmenterError(
                    f"{self.name} cannot take in this {image.width} x {image.height} image: "
                    f"{first_line(error)}"
                ) from error
        return Encoded(maps, image.size)

    def _features(self, pixels: torch.Tensor) -> Sequence[torch.Tensor]:
        tower = self._model.vision_encoder
        if not can_encode(tower, pixels):
            return tower(pixels, return_dict=True).fpn_hidden_states
        self._encoder = self._encoder or Encoder(tower)
        return self._encoder(pixels)[0]

    def segment(self, encoded: Encoded, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        """See `Segmenter.segment`."""
        return self.segment_many(encoded, [prompt])[0]

    def segment_many(
        self, encoded: Encoded, prompts: Sequence[SegmenterPrompt]
    ) -> list[tuple[np.ndarray, float]]:
        """See `BatchSegmenter.segment_many`."""
        logits, scores = self._decoded(encoded, prompts)
        return [
            (self._mask(one, encoded.image_wh), float(score.clamp(0, 1)))
            for one, score in zip(logits, scores, strict=True)
        ]

    def segment_after(
        self, encoded: Encoded, prompt: SegmenterPrompt, logits: np.ndarray | None
    ) -> tuple[np.ndarray, float, np.ndarray]:
        """See `propagation.MaskPromptSegmenter.segment_after`; S is a quarter of the input's side."""
        mask = None if logits is None else torch.from_numpy(logits)[None, None].to(self._model.device)
        found, scores = self._decoded(encoded, [prompt], mask)
        small = found[0, 0].clamp(-CLIPPED_LOGITS, CLIPPED_LOGITS).float().cpu().numpy()
        return self._mask(found[0], encoded.image_wh), float(scores[0].clamp(0, 1)), small

    def _decoded(
        self, encoded: Encoded, prompts: Sequence[SegmenterPrompt], mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits (N, 1, S, S) and predicted IoU (N,). Errors: SegmenterError."""
        width, height = encoded.image_wh
        tensors = _prompt_tensors(prompts, torch.tensor([self._side / width, self._side / height]))
        with torch.no_grad():
            try:
                placed = {name: tensor.to(self._model.device) for name, tensor in tensors.items()}
                asked = self._passes, self._multimask, mask
                if can_decode(self._model, self._multimask):
                    return decode_many(self._model, encoded.maps, *asked, **placed)
                maps = [one.expand(len(prompts), -1, -1, -1) for one in encoded.maps]
                return decode(self._model, maps, *asked, **placed)
            except RuntimeError as error:
                raise SegmenterError(f"{self.name} could not draw the mask: {first_line(error)}") from error

    def _mask(self, logits: torch.Tensor, image_wh: tuple[int, int]) -> np.ndarray:
        """The mask of an image, bool (H, W), from logits (1, S, S)."""
        size = image_wh[::-1]
        logits = logits[None].float().cpu()
        if self._specks:
            logits[0, 0] = torch.from_numpy(tidy(logits[0, 0].numpy(), self._specks))
        return (interpolate(logits, size, mode="bilinear", align_corners=False)[0, 0] > 0).numpy()


def _prompt_tensors(prompts: Sequence[SegmenterPrompt], scale: torch.Tensor) -> dict[str, torch.Tensor]:
    """The prompts as `Sam2Model.forward` takes them, in pixels of its input; `scale` (2,) is input pixels per
    image pixel, (x, y). Errors: ValueError for prompts of different shapes.
    """
    check_alike(prompts)
    points, labels = zip(*(prompt.labelled_points() for prompt in prompts), strict=True)
    tensors = {}
    if prompts[0].box is not None:
        boxes = torch.tensor([prompt.box for prompt in prompts]).reshape(-1, 2, 2) * scale
        tensors["input_boxes"] = boxes.reshape(-1, 1, 4)
    if points[0]:
        tensors["input_points"] = (torch.tensor(points) * scale)[:, None]
        tensors["input_labels"] = torch.tensor(labels, dtype=torch.int)[:, None]
    return tensors

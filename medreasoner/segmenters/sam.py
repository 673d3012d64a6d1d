"""Runs SAM, MedSAM and SAM 3's tracker through transformers; how each wants its image is data. (For SAM 2 see
`sam2.py`.)

SAM: longest side 1024, padded below and to the right, the best of three masks
(facebookresearch/segment-anything). MedSAM: 1024 x 1024 without keeping the aspect, values stretched to 0..1
per image, box alone, a single mask (bowang-lab/MedSAM MedSAM_Inference.py). The published evaluation gave it
SAM's preprocessing and three masks; `upstream-compat:` does that again.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from torch.nn.functional import interpolate, pad
from transformers import AutoConfig, Sam3TrackerModel, SamModel

from medreasoner.messages import first_line
from medreasoner.segmenters.base import PROMPTS, SegmenterError, SegmenterPrompt
from medreasoner.weights import weights_of

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


@dataclass(frozen=True)
class Recipe:
    """How a model wants its image and its prompts.

    Args:
        square: resize both sides to the model's, else the longer one, and pad.
        statistics: (mean, standard deviation) per channel; None stretches each image to 0..1.
        multimask: choose the mask of highest predicted IoU out of three, or take the single one.
        draws_from: which of `base.PROMPTS` it can use; one with "both" but not "points" uses the box alone.
    """

    square: bool
    statistics: tuple[tuple[float, ...], tuple[float, ...]] | None
    multimask: bool
    draws_from: tuple[str, ...]


SAM = Recipe(False, IMAGENET, True, PROMPTS)
MEDSAM = Recipe(True, None, False, ("both", "box"))
SAM3 = Recipe(True, HALF, True, PROMPTS)
# model_type in config.json -> class and recipe
MODELS = {
    "sam": (SamModel, SAM),
    "sam3_tracker": (Sam3TrackerModel, SAM3),
    "sam3_video": (Sam3TrackerModel, SAM3),
}


@dataclass(frozen=True)
class Encoded:
    """What the mask decoder reads of an image, and the image's size."""

    maps: object
    image_wh: tuple[int, int]


class SamSegmenter:
    """See `base.Segmenter`. Holds no state of a run: several threads may use one object."""

    def __init__(self, model: SamModel | Sam3TrackerModel, name: str, recipe: Recipe) -> None:
        self.name, self.draws_from = name, recipe.draws_from
        self.revision: str | None = None
        self._model, self._recipe = model, recipe
        self._side = model.config.prompt_encoder_config.image_size

    @staticmethod
    def load(folder: Path, name: str, device: str, compat: bool = False) -> "SamSegmenter":
        """Open a folder. A model whose name begins with "medsam" is MedSAM; `compat` treats it as SAM, as the
        published evaluation did. Errors: SegmenterError.
        """
        try:
            config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
            kind, recipe = MODELS[config.model_type]
            options = {"use_safetensors": True, "local_files_only": True, "output_loading_info": True}
            model, info = kind.from_pretrained(folder, dtype=torch.float32, **options)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise SegmenterError(
                f"{folder} is not a usable {' or '.join(MODELS)} segmenter: {first_line(error)}"
            ) from error
        if info["missing_keys"]:
            missing = sorted(info["missing_keys"])
            raise SegmenterError(f"the weights in {folder} lack {len(missing)} tensors, {missing[0]} for one")
        if name.rsplit("/", 1)[-1].lower().startswith("medsam") and not compat:
            recipe = MEDSAM
        model.to(device).eval().requires_grad_(False)
        return SamSegmenter(model, name, recipe)

    def weights(self) -> dict[int, int]:
        """See `InMemory`."""
        return weights_of(self._model)

    def encode(self, image: Image.Image, features: object = None) -> Encoded:
        """See `Segmenter.encode`; `features` of another encoder are of no use here."""
        try:
            with torch.no_grad():
                maps = self._model.get_image_embeddings(self._pixels(image).to(self._model.device))
        except (RuntimeError, ValueError) as error:
            raise SegmenterError(
                f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}"
            ) from error
        return Encoded(maps, image.size)

    def segment(self, encoded: Encoded, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        """See `Segmenter.segment`. A model that `draws_from` no points is not shown those of the prompt, only
        the clicks.
        """
        width, height = encoded.image_wh
        across, down = self._scale(width, height)
        by, device = torch.tensor([across, down]), self._model.device
        if "points" not in self.draws_from:
            prompt = replace(prompt, points=())
        points, labels = prompt.labelled_points()
        prompts = {}
        if prompt.box is not None:
            prompts["input_boxes"] = (torch.tensor(prompt.box).reshape(2, 2) * by).reshape(1, 1, 4).to(device)
        if points:
            prompts["input_points"] = (torch.tensor(points) * by).reshape(1, 1, -1, 2).to(device)
            prompts["input_labels"] = torch.tensor(labels, dtype=torch.int).reshape(1, 1, -1).to(device)
        try:
            with torch.no_grad():
                out = self._model(
                    image_embeddings=encoded.maps, multimask_output=self._recipe.multimask, **prompts
                )
                scores = out.iou_scores[0, 0]
                best = int(scores.argmax())
                # to the size the model saw, without the padding, then to the image's own
                logits = interpolate(
                    out.pred_masks[0, :, best : best + 1].float().cpu(),
                    (self._side, self._side),
                    mode="bilinear",
                )
                logits = logits[..., : round(height * down), : round(width * across)]
                mask = interpolate(logits, (height, width), mode="bilinear")[0, 0] > 0
        except (RuntimeError, ValueError) as error:
            raise SegmenterError(f"{self.name} could not draw the mask: {first_line(error)}") from error
        return mask.numpy(), float(scores[best].clamp(0, 1))

    def _scale(self, width: int, height: int) -> tuple[float, float]:
        """Pixels of the model's input per pixel of the image, (x, y)."""
        if self._recipe.square:
            return self._side / width, self._side / height
        by = self._side / max(width, height)
        return round(width * by) / width, round(height * by) / height

    def _pixels(self, image: Image.Image) -> torch.Tensor:
        """(1, 3, side, side) as the model was trained on."""
        across, down = self._scale(*image.size)
        size = max(1, round(image.width * across)), max(1, round(image.height * down))
        values = (
            torch.from_numpy(np.array(image.resize(size, Image.Resampling.BILINEAR), np.float32)).permute(
                2, 0, 1
            )
            / 255
        )
        if self._recipe.statistics is None:
            values = (values - values.min()) / (values.max() - values.min()).clamp(min=1e-8)
        else:
            mean, deviation = (torch.tensor(one)[:, None, None] for one in self._recipe.statistics)
            values = (values - mean) / deviation
        return pad(values, (0, self._side - size[0], 0, self._side - size[1]))[None]

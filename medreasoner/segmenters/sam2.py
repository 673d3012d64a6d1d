"""SAM 2 through transformers, with an image encoder of its own or with that of a reasoner.

Is: prompt encoder and mask decoder from a folder (`config.json` of a Sam2Config, `model.safetensors`, `medreasoner.json` with
`multimask`). If the folder holds no `vision_encoder.*` tensors, the encoder is the reasoner's vision tower: its feature maps are adopted
and a mask costs one decode.
Is not: video. Object scores are not read (weights converted from the `sam2` package's image model have none).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch.nn.functional import interpolate
from transformers import CLIPImageProcessor, Sam2Config, Sam2Model, Sam2VisionConfig, Sam2VisionModel

from medreasoner.json_files import read_json
from medreasoner.manifest import Manifest
from medreasoner.messages import first_line
from medreasoner.segmenters.base import PROMPTS, SegmenterError, SegmenterPrompt
from medreasoner.segmenters.cleanup import tidy

ENCODER = "vision_encoder."
UNUSED = "mask_decoder.pred_obj_score_head."  # feeds object scores only; may be absent
CERTAIN = 32.0  # logits of a mask that is shown to the decoder again are clipped to this, as the `sam2` package does
TOWER = "vision_tower."  # how a LLaVA checkpoint names its encoder, with or without "model." before it


@dataclass(frozen=True)
class Encoded:
    """The three maps the mask decoder reads, (1, 32, 4s, 4s), (1, 64, 2s, 2s), (1, 256, s, s) with s = side / 16, and the image's size."""

    maps: list[torch.Tensor]
    image_wh: tuple[int, int]


class Sam2Segmenter:
    """See `segmenter.Segmenter`. Holds no state of a run: several threads may use one object.

    Args:
        model: in evaluation mode; its `vision_encoder` may be the vision tower of a reasoner.
        shared: whether `features` given to `encode` come from that very encoder and can be adopted.
        multimask: choose the mask of highest predicted IoU out of three, or take the single one.
        specks: share of the mask under which a region or a hole is taken out.
        looks: how often the mask is drawn, see `draw`.
    """

    draws_from = PROMPTS

    def __init__(
        self,
        model: Sam2Model,
        name: str,
        shared: bool,
        multimask: bool = True,
        specks: float = 0.0,
        looks: int = 1,
    ):
        self.name, self.revision = name, None
        self._model, self._shared, self._multimask, self._specks, self._looks = (
            model,
            shared,
            multimask,
            specks,
            looks,
        )
        self._side = model.config.prompt_encoder_config.image_size
        self._processor = image_processor(self._side)

    @staticmethod
    def load(folder: Path, name: str, device: str, tower: torch.nn.Module | None = None) -> "Sam2Segmenter":
        """Open a folder; `tower` is taken only if the folder holds no vision encoder. Errors: SegmenterError."""
        try:
            config = Sam2Config.from_dict(read_json(folder / "config.json"))
            manifest = Manifest.read(folder)
            state = read_tensors(folder / "model.safetensors")
            own = any(key.startswith(ENCODER) for key in state)
            shared = tower is not None and not own
            model = _build(config, state, None if own else tower or _tower_beside(folder))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise SegmenterError(f"{folder} is not a usable SAM 2 segmenter: {first_line(error)}") from error
        model.to(next(tower.parameters()).device if shared else device)
        return Sam2Segmenter(
            model, name, shared, manifest.multimask is not False, manifest.specks or 0.0, manifest.looks or 1
        )

    def encode(self, image: Image.Image, features: object = None) -> Encoded:
        """See `Segmenter.encode`; `features` are the encoder's FPN maps, finest first."""
        model = self._model
        with torch.no_grad():
            try:
                if features is None or not self._shared:
                    pixels = self._processor(image, return_tensors="pt")["pixel_values"]
                    features = model.vision_encoder(
                        pixels.to(model.device), return_dict=True
                    ).fpn_hidden_states
                maps = mask_inputs(model, features)
            except (RuntimeError, ValueError) as error:
                raise SegmenterError(
                    f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}"
                ) from error
        return Encoded(maps, image.size)

    def segment(self, encoded: Encoded, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        """See `Segmenter.segment`."""
        return self.segment_many(encoded, [prompt])[0]

    def segment_many(
        self, encoded: Encoded, prompts: Sequence[SegmenterPrompt]
    ) -> list[tuple[np.ndarray, float]]:
        """`segment` for several prompts in the same image, decoded in one batch. All have a box or none has, and the same number of
        points and clicks."""
        width, height = encoded.image_wh
        tensors = _prompt_tensors(prompts, torch.tensor([self._side / width, self._side / height]))
        with torch.no_grad():
            try:
                logits, scores = draw(
                    self._model,
                    [maps.expand(len(prompts), -1, -1, -1) for maps in encoded.maps],
                    self._looks,
                    self._multimask,
                    **{name: tensor.to(self._model.device) for name, tensor in tensors.items()},
                )
                return [
                    (self._mask(one, (height, width)), float(score.clamp(0, 1)))
                    for one, score in zip(logits, scores, strict=True)
                ]
            except RuntimeError as error:
                raise SegmenterError(f"{self.name} could not draw the mask: {first_line(error)}") from error

    def _mask(self, logits: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
        """The mask of `size` (height, width), bool, from logits (1, S, S)."""
        logits = logits[None].float().cpu()
        if self._specks:
            logits[0, 0] = torch.from_numpy(tidy(logits[0, 0].numpy(), self._specks))
        return (interpolate(logits, size, mode="bilinear", align_corners=False)[0, 0] > 0).numpy()


def draw(
    model: Sam2Model,
    maps: list[torch.Tensor],
    looks: int = 1,
    multimask: bool = False,
    **prompts: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (N, 1, S, S) and predicted IoU (N,) of one target in each of N images.

    With `looks` above 1 the mask is drawn that often, each time with the one before as a further prompt (Kirillov et al. 2023, arXiv
    2304.02643, appendix A), and the mean of all is given.

    Args:
        maps: what the mask decoder reads, (N, C, H, W) each, see `mask_inputs`.
        multimask: choose the mask of highest predicted IoU out of three, or take the single one.
        prompts: `input_boxes` (N, 1, 4), `input_points` (N, 1, P, 2), `input_labels` (N, 1, P), in pixels of the model's input.
    """
    drawn, scores, before = [], [], None
    for _ in range(looks):
        out = model(image_embeddings=maps, input_masks=before, multimask_output=multimask, **prompts)
        best = out.iou_scores[:, 0].argmax(-1)
        each = torch.arange(len(best), device=best.device)
        drawn.append(out.pred_masks[each, 0, best][:, None])
        scores.append(out.iou_scores[each, 0, best])
        before = drawn[-1].detach().clamp(-CERTAIN, CERTAIN)
    return torch.stack(drawn).mean(0), torch.stack(scores).mean(0)


def _prompt_tensors(prompts: Sequence[SegmenterPrompt], scale: torch.Tensor) -> dict[str, torch.Tensor]:
    """The prompts as `Sam2Model.forward` takes them, in pixels of its input; `scale` (2,) is input pixels per image pixel, (x, y).

    Errors: ValueError for prompts of different shapes.
    """
    points, labels = zip(*(prompt.labelled_points() for prompt in prompts), strict=True)
    if len({(prompt.box is None, len(one)) for prompt, one in zip(prompts, labels, strict=True)}) > 1:
        raise ValueError(
            "prompts of one batch must all have a box or none, and as many points as one another"
        )
    tensors = {}
    if prompts[0].box is not None:
        boxes = torch.tensor([prompt.box for prompt in prompts]).reshape(-1, 2, 2) * scale
        tensors["input_boxes"] = boxes.reshape(-1, 1, 4)
    if points[0]:
        tensors["input_points"] = (torch.tensor(points) * scale)[:, None]
        tensors["input_labels"] = torch.tensor(labels, dtype=torch.int)[:, None]
    return tensors


def image_processor(side: int) -> CLIPImageProcessor:
    """Square of `side` pixels, bilinear, ImageNet statistics: SAM 2's own preprocessing as a stock class. (Sam2ImageProcessor would add
    `original_sizes`, which `generate` inside GRPOTrainer refuses.)"""
    return CLIPImageProcessor(
        size={"height": side, "width": side},
        do_center_crop=False,
        resample=Image.Resampling.BILINEAR,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )


def mask_inputs(model: Sam2Model, features: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """The three maps `Sam2Model.forward(image_embeddings=…)` takes, from its encoder's FPN maps, finest first."""
    fine, middle, coarse = features
    return [
        model.mask_decoder.conv_s0(fine),
        model.mask_decoder.conv_s1(middle),
        coarse + model.no_memory_embedding.reshape(1, -1, 1, 1),
    ]


def read_tensors(path: Path, part: str = "") -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file in float32, or only those of `part`, under the names that follow it."""
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        return {
            name[name.index(part) + len(part) :]: file.get_tensor(name).float()
            for name in names
            if part in name
        }


def _build(config: Sam2Config, state: dict[str, torch.Tensor], tower: torch.nn.Module | None) -> Sam2Model:
    """A Sam2Model that holds exactly `state`, its encoder replaced by `tower` where that is given; ValueError if something is missing."""
    with torch.device("meta"):
        model = Sam2Model(config)
    expected = model.state_dict()
    if tower is not None:
        model.vision_encoder = tower
        expected = {key: value for key, value in expected.items() if not key.startswith(ENCODER)}
    for key, value in expected.items():
        if key.startswith(UNUSED) and key not in state:
            state[key] = torch.zeros(value.shape)
    wrong = sorted(
        key for key, value in expected.items() if key not in state or state[key].shape != value.shape
    )
    if wrong:
        raise ValueError(
            f"{len(wrong)} tensors are missing from the weights or have another shape than config.json says, {wrong[0]} for one"
        )
    model.load_state_dict({key: state[key] for key in expected}, strict=False, assign=True)
    return model.eval().requires_grad_(False)


def _tower_beside(folder: Path) -> Sam2VisionModel:
    """The vision tower of the reasoner one folder up: how an embedded segmenter serves a reasoner with another eye."""
    vision = read_json(folder.parent / "config.json")["vision_config"]
    state: dict[str, torch.Tensor] = {}
    for shard in sorted(folder.parent.glob("model*.safetensors")):
        state |= read_tensors(shard, TOWER)
    with torch.device("meta"):
        tower = Sam2VisionModel(Sam2VisionConfig.from_dict(vision))
    tower.load_state_dict(state, assign=True)
    return tower.eval()

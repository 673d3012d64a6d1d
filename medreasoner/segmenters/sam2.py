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

from medreasoner.geometry import Grounding
from medreasoner.manifest import Manifest, first_line, read_json
from medreasoner.segmenters.base import PROMPTS, Click, SegmenterError
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
    def load(
        folder: Path, name: str, device: str | None = None, tower: torch.nn.Module | None = None
    ) -> "Sam2Segmenter":
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
        model.to(next(tower.parameters()).device if shared else _device(device))
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

    def segment(
        self, encoded: Encoded, grounding: Grounding, clicks: Sequence[Click] = ()
    ) -> tuple[np.ndarray, float]:
        """See `Segmenter.segment`."""
        return self._decode(encoded, [grounding], clicks)[0]

    def segment_many(
        self, encoded: Encoded, groundings: Sequence[Grounding]
    ) -> list[tuple[np.ndarray, float]]:
        """`segment` of several groundings in the same image, decoded in one batch."""
        return self._decode(encoded, groundings)

    def _decode(
        self, encoded: Encoded, groundings: Sequence[Grounding], clicks: Sequence[Click] = ()
    ) -> list[tuple[np.ndarray, float]]:
        width, height = encoded.image_wh
        scale = torch.tensor([self._side / width, self._side / height])
        clicked = [(x, y) for x, y, _ in clicks]
        given = len(groundings[0].points)  # none where a box alone is evaluated
        boxes = (
            None
            if groundings[0].box is None
            else torch.tensor([g.box for g in groundings]).reshape(-1, 2, 2) * scale
        )
        points = (
            torch.tensor([[*g.points, *clicked] for g in groundings]) * scale if given or clicked else None
        )
        labels = torch.tensor(
            [[1] * given + [int(positive) for _, _, positive in clicks]] * len(groundings), dtype=torch.int
        )
        device = self._model.device
        with torch.no_grad():
            try:
                logits, scores = draw(
                    self._model,
                    [maps.expand(len(groundings), -1, -1, -1) for maps in encoded.maps],
                    self._looks,
                    self._multimask,
                    input_boxes=None if boxes is None else boxes.reshape(-1, 1, 4).to(device),
                    input_points=None if points is None else points[:, None].to(device),
                    input_labels=None if points is None else labels[:, None].to(device),
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


def _device(device: str | None) -> str:
    if device is not None:
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"

"""Runs SAM 2 and MedSAM2 through the `sam2` package, at 512 pixels.

The weights are one file of a hiera-tiny in that package's tensor names: safetensors or, where that is
allowed, the `.pt` that its authors publish. The modules for video are built with the model, but their weights
may be absent.
"""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from sam2.build_sam import build_sam2
from sam2.modeling.sam2_base import SAM2Base
from sam2.sam2_image_predictor import SAM2ImagePredictor
from sam2.sam2_video_predictor import SAM2VideoPredictor

from medreasoner.messages import first_line
from medreasoner.segmenters.base import PROMPTS, SegmenterError, SegmenterPrompt, check_alike
from medreasoner.segmenters.pickled import read_pickle
from medreasoner.segmenters.sam2_keys import MEMORY
from medreasoner.segmenters.sam2_video import VIDEO_CLASS, VideoPropagator
from medreasoner.weights import weights_of

UPSTREAM_SIDE = 1024  # upstream's copy of sam2.1_hiera_t512.yaml says image_size: 1024
SIDE = 512  # what MedSAM2 was trained at
CONFIGS = {"2": "configs/sam2/sam2_hiera_t.yaml", "2.1": "configs/sam2.1/sam2.1_hiera_t.yaml"}
ONLY_IN_2_1 = ("no_obj_embed_spatial", "obj_ptr_tpos_proj.")
# the memory for videos, and a score that is not read
MAY_BE_ABSENT = (*MEMORY, "sam_mask_decoder.pred_obj_score_head.")


class PackageSegmenter:
    """See `base.Segmenter`. Several threads may use one object: each image gets its own predictor over the
    same weights.

    Args:
        model: a `SAM2Base` in evaluation mode, of any image size.
        multimask: choose the mask of highest predicted IoU out of three, or take the single one.
    """

    draws_from = PROMPTS

    def __init__(self, model: SAM2Base, name: str, multimask: bool = True) -> None:
        self.name, self._multimask = name, multimask
        self.revision: str | None = None
        self._predictor = SAM2ImagePredictor(model)
        # the package has these fixed for 1024 pixels
        self._predictor._bb_feat_sizes = [(model.image_size // stride,) * 2 for stride in (4, 8, 16)]

    @staticmethod
    def load(
        path: Path, name: str, device: str, allow_pickle: bool = False, upstream: bool = False
    ) -> "PackageSegmenter":
        """Open one weights file.

        Args:
            allow_pickle: read a file that is not safetensors; only tensors are unpickled.
            upstream: as the published evaluation ran MedSAM2: SAM 2.1 at 1024 pixels.

        Errors: SegmenterError.
        """
        state = _read(path, allow_pickle)
        version = "2.1" if upstream or any(key.startswith(ONLY_IN_2_1) for key in state) else "2"
        # a model with the weights of its memory can follow a target through a volume
        remembers = any(key.startswith("memory_attention.") for key in state)
        model = build(
            version, device, UPSTREAM_SIDE if upstream else SIDE, (VIDEO_CLASS,) if remembers else ()
        )
        try:
            missing, unknown = model.load_state_dict(state, strict=False)
        except RuntimeError as error:  # shapes; torch lists them after a line of its own
            reason = str(error).splitlines()[-1].strip()
            raise SegmenterError(f"{path} does not fit SAM {version} hiera-tiny: {reason}") from error
        missing, unknown = (
            [key for key in keys if not key.startswith(MAY_BE_ABSENT)] for keys in (missing, unknown)
        )
        if missing or unknown:
            raise SegmenterError(
                f"{path} does not fit SAM {version} hiera-tiny: {len(missing)} tensors missing, "
                f"{len(unknown)} unknown, "
                f"{(missing or unknown)[0]} for one"
            )
        return PackageSegmenter(model, name)

    def weights(self) -> dict[int, int]:
        """See `InMemory`."""
        return weights_of(self._predictor.model)

    def encode(self, image: Image.Image, features: object = None) -> SAM2ImagePredictor:
        """See `Segmenter.encode`; `features` of another encoder are of no use here."""
        predictor = copy.copy(self._predictor)
        try:
            predictor.set_image(image)
        except RuntimeError as error:
            raise SegmenterError(
                f"{self.name} cannot take in this {image.width} x {image.height} image: {first_line(error)}"
            ) from error
        return predictor

    def propagator(self) -> VideoPropagator | None:
        """See `propagation.HasPropagator`."""
        model = self._predictor.model
        return VideoPropagator(model, self.name) if isinstance(model, SAM2VideoPredictor) else None

    def segment(self, encoded: SAM2ImagePredictor, prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        """See `Segmenter.segment`."""
        return self.segment_many(encoded, [prompt])[0]

    def segment_many(
        self, encoded: SAM2ImagePredictor, prompts: Sequence[SegmenterPrompt]
    ) -> list[tuple[np.ndarray, float]]:
        """See `BatchSegmenter.segment_many`."""
        check_alike(prompts)
        points, labels = zip(*(prompt.labelled_points() for prompt in prompts), strict=True)
        try:
            masks, scores, _ = encoded.predict(
                point_coords=np.asarray(points) if points[0] else None,
                point_labels=np.asarray(labels) if points[0] else None,
                box=None if prompts[0].box is None else np.asarray([prompt.box for prompt in prompts]),
                multimask_output=self._multimask,
            )
        except RuntimeError as error:
            raise SegmenterError(f"{self.name} could not draw the mask: {first_line(error)}") from error
        masks, scores = masks.reshape(len(prompts), -1, *masks.shape[-2:]), scores.reshape(len(prompts), -1)
        best = scores.argmax(1)
        return [
            (mask[at] > 0, float(np.clip(score[at], 0, 1)))
            for mask, score, at in zip(masks, scores, best, strict=True)
        ]


def build(
    version: str = "2", device: str = "cpu", side: int = SIDE, overrides: tuple[str, ...] = ()
) -> SAM2Base:
    """An untrained hiera-tiny of the `sam2` package.

    Args:
        version: "2" or "2.1".
        side: of its square input, in pixels.
        overrides: further options in Hydra's notation.
    """
    grid = f"[{side // 16},{side // 16}]"
    sizes = [
        f"++model.memory_attention.layer.{kind}_attention.feat_sizes={grid}" for kind in ("self", "cross")
    ]
    return build_sam2(
        CONFIGS[version],
        device=device,
        hydra_overrides_extra=[f"++model.image_size={side}", *sizes, *overrides],
    )


def _read(path: Path, allow_pickle: bool) -> dict[str, torch.Tensor]:
    """Tensors of a weights file under the `sam2` package's names."""
    if path.suffix != ".safetensors" and not allow_pickle:
        raise SegmenterError(
            f"{path} is a pickled file; give .safetensors, or allow_pickle=True if you trust where it comes "
            "from"
        )
    try:
        return load_file(path) if path.suffix == ".safetensors" else read_pickle(path)
    except (OSError, SafetensorError) as error:
        raise SegmenterError(f"the weights {path} cannot be read: {first_line(error)}") from error

"""Which segmenter a folder or a file holds, and the published evaluation's own way of running it.

Is: the way from `config.json` to the class that reads it. `upstream-compat:NAME` runs NAME as the published evaluation did: MedSAM2 at 1024
pixels though it was trained at 512, MedSAM with SAM's preprocessing and the best of three masks. Is not: a model.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from medreasoner.loading import first_line, read_json
from medreasoner.segmenter import Segmenter, SegmenterError
from medreasoner.segmenters.convert import read_pickle

UPSTREAM_SIDE = 1024  # upstream's copy of sam2.1_hiera_t512.yaml says image_size: 1024


def open_folder(folder: Path, name: str, device: str | None, tower: object = None, compat: bool = False) -> Segmenter:
    """The segmenter of a folder, by the `model_type` of its config.json. Errors: SegmenterError."""
    from medreasoner.segmenters.sam import MODELS, SamSegmenter
    from medreasoner.segmenters.sam2_shared import Sam2Segmenter

    try:
        kind = read_json(folder / "config.json").get("model_type")
    except (OSError, ValueError) as error:
        raise SegmenterError(f"{folder} is not a usable segmenter: {first_line(error)}") from error
    if kind in MODELS:
        return SamSegmenter.load(folder, name, device, compat)
    return Sam2Segmenter.load(folder, name, device, tower)


def open_upstream(path: Path, name: str, device: str | None) -> Segmenter:
    """MedSAM2 as the published evaluation ran it, from its one file of weights. Errors: SegmenterError."""
    from medreasoner.segmenters.sam2_package import MAY_BE_ABSENT, PackageSegmenter, build

    model = build("2.1", device or ("cuda" if torch.cuda.is_available() else "cpu"), UPSTREAM_SIDE)
    try:
        state = load_file(path) if path.suffix == ".safetensors" else read_pickle(path)
        missing, unexpected = model.load_state_dict(state, strict=False)
    except (OSError, RuntimeError, SafetensorError) as error:
        raise SegmenterError(f"{path} does not fit SAM 2.1 hiera-tiny: {first_line(error)}") from error
    lacking = [key for key in (*missing, *unexpected) if not key.startswith(MAY_BE_ABSENT)]
    if lacking:
        raise SegmenterError(f"{path} does not fit SAM 2.1 hiera-tiny: {len(lacking)} tensors, {lacking[0]} for one")
    return PackageSegmenter(model, name)

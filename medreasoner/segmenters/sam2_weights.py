"""Builds transformers' `Sam2Model` from a folder, its image encoder from the folder itself or from a reasoner
beside it.
"""

from pathlib import Path

import torch
from safetensors import safe_open
from transformers import Sam2Config, Sam2Model, Sam2VisionConfig, Sam2VisionModel

from medreasoner.json_files import read_json

ENCODER = "vision_encoder."
TOWER = "vision_tower."  # how a LLaVA checkpoint names its encoder, with or without "model." before it
# feeds object scores, which are not read; weights converted from the `sam2` package's image model lack it
MAY_BE_ABSENT = "mask_decoder.pred_obj_score_head."


def open_sam2(folder: Path, tower: torch.nn.Module | None = None) -> tuple[Sam2Model, bool]:
    """(model on the CPU in evaluation mode, whether `tower` is its image encoder).

    Args:
        folder: with `config.json` and `model.safetensors`.
        tower: of a reasoner; taken only if the folder holds no vision encoder. Where neither is given, the
            encoder is read from the reasoner's folder, one level up.

    Errors: ValueError for tensors that are missing or do not fit; OSError, KeyError, SafetensorError for
        unreadable files.
    """
    config = Sam2Config.from_dict(read_json(folder / "config.json"))
    state = read_tensors(folder / "model.safetensors")
    own = any(key.startswith(ENCODER) for key in state)
    model = _build(config, state, None if own else tower or _tower_beside(folder))
    return model, tower is not None and not own


def read_tensors(path: Path, part: str = "") -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file in float32; with `part` only those whose name holds it, under what
    follows it.
    """
    with safe_open(path, "pt") as file:
        names = list(file.keys())
        return {
            name[name.index(part) + len(part) :]: file.get_tensor(name).float()
            for name in names
            if part in name
        }


def _build(config: Sam2Config, state: dict[str, torch.Tensor], tower: torch.nn.Module | None) -> Sam2Model:
    """A model that holds exactly `state`, its encoder replaced by `tower` where that is given. Errors:
    ValueError.
    """
    with torch.device("meta"):
        model = Sam2Model(config)
    expected = model.state_dict()
    if tower is not None:
        model.vision_encoder = tower
        expected = {key: value for key, value in expected.items() if not key.startswith(ENCODER)}
    for key, value in expected.items():
        if key.startswith(MAY_BE_ABSENT) and key not in state:
            state[key] = torch.zeros(value.shape)
    wrong = sorted(
        key for key, value in expected.items() if key not in state or state[key].shape != value.shape
    )
    if wrong:
        raise ValueError(
            f"{len(wrong)} tensors are missing from the weights or have another shape than config.json says, "
            f"{wrong[0]} for one"
        )
    model.load_state_dict({key: state[key] for key in expected}, strict=False, assign=True)
    return model.eval().requires_grad_(False)


def _tower_beside(folder: Path) -> Sam2VisionModel:
    """The vision tower of the reasoner one folder up, so that its segmenter also serves a reasoner with
    another tower.
    """
    vision = read_json(folder.parent / "config.json")["vision_config"]
    state: dict[str, torch.Tensor] = {}
    for shard in sorted(folder.parent.glob("model*.safetensors")):
        state |= read_tensors(shard, TOWER)
    with torch.device("meta"):
        tower = Sam2VisionModel(Sam2VisionConfig.from_dict(vision))
    tower.load_state_dict(state, assign=True)
    return tower.eval()

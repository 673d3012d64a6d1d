"""Weights of the embedded segmenter: saving them, averaging those of several runs, drawing tuned ones back
towards the untuned."""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import Sam2Model

SPECKS = 0.03  # share of a mask under which its regions and holes are taken out, see segmenters/cleanup.py


def save_segmenter(sam2: Sam2Model, out: Path, passes: int = 1) -> None:
    """Write the folder the library loads: configuration, and every weight but the image encoder's, fp16.

    Args:
        passes: of the decoder for each mask, see `sam2_model.decode`.
    """
    out.mkdir(parents=True, exist_ok=True)
    state = {
        k: v.half().contiguous() for k, v in sam2.state_dict().items() if not k.startswith("vision_encoder.")
    }
    sam2.config.save_pretrained(out)
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    manifest = {"format": 1, "multimask": False, "specks": SPECKS, "looks": passes}
    (out / "medreasoner.json").write_text(json.dumps(manifest) + "\n")


def mean_of(folders: list[Path], fixed: str) -> dict[str, torch.Tensor]:
    """The mean of several segmenters' weights in fp32 (model soups, Wortsman et al. 2022, arXiv 2203.05482).

    Args:
        fixed: regular expression; weights whose name it matches stay those of the first folder.
    """
    states = [
        {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        for folder in folders
    ]
    first = states[0]
    return {
        name: value if re.search(fixed, name) else torch.stack([state[name] for state in states]).mean(0)
        for name, value in first.items()
    }


def interpolate(model: torch.nn.Module, untuned: dict[str, torch.Tensor], keep: float, fixed: str) -> None:
    """In place: `keep` (0..1) of the way from the untuned weights to the tuned ones (WiSE-FT, Wortsman et al.
    2022, arXiv 2109.01903).

    Args:
        fixed: regular expression; weights whose name it matches stay tuned.
    """
    state = model.state_dict()
    state |= {
        name: torch.lerp(value, state[name], keep)
        for name, value in untuned.items()
        if not re.search(fixed, name)
    }
    model.load_state_dict(state)

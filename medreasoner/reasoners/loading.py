"""Puts a `VlmReasoner` together from the folder of a transformers image-text-to-text model, or from that of
an adapter for one.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import PreTrainedConfig

from medreasoner.confidence import Calibration
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.checkpoint import merge_adapter, open_model
from medreasoner.reasoners.conventions import open_conventions
from medreasoner.reasoners.shared_tower import shares_vision_tower
from medreasoner.reasoners.vlm import VlmReasoner


def load_vlm(
    folder: Path,
    name: str,
    device: str,
    prompt: Prompt | None = None,
    adapter: Path | None = None,
    family: str | None = None,
) -> VlmReasoner:
    """Open a model's folder, or the `adapter` on it.

    Args:
        name: for records.
        device: as torch names it, or "auto" to spread the model over all GPUs.
        prompt: instead of the folder's own.
        adapter: folder of a PEFT adapter; what lies beside its weights takes precedence over the base
            model's.
        family: a key of `FAMILIES`; None takes the `model_type` of config.json.

    Errors: ReasonerError.
    """
    folders = [folder] if adapter is None else [adapter, folder]
    found = open_conventions(folders, prompt, family)
    segmenter = _segmenter_of(folders, found.manifest, found.config)
    model = open_model(folder, found.config, device, _dtype(found.config, device))
    if adapter is not None:
        model = merge_adapter(model, adapter)
    return VlmReasoner(
        model,
        found.processor,
        name,
        found.frame,
        found.prompt,
        size=found.size,
        segmenter=segmenter,
        # a model with a frame of its own was trained here, on the project's format
        dialects=() if found.manifest.frame else found.family.dialect,
        calibration=_calibration_of(folders[0]),
    )


def _segmenter_of(folders: Sequence[Path], manifest: Manifest, config: PreTrainedConfig) -> Path | str | None:
    """Folder or Hub id of the segmenter that was made for the model, None where there is none. Errors:
    ReasonerError.
    """
    named = manifest.segmenter
    if named is None or "/" in named:
        return named
    folder = next((folder for folder in folders if (folder / named).is_dir()), None)
    if folder is None and not shares_vision_tower(config):
        raise ReasonerError(
            f"{folders[0]}/medreasoner.json names the segmenter {named!r}, but there is no such folder, and "
            f"this {config.model_type} has "
            "no SAM 2 vision tower to share"
        )
    return (folder or folders[0]) / named


def _calibration_of(folder: Path) -> Calibration | None:
    """That of the model, or of the adapter: an adapter's answers are not those of the model it stands on.
    Errors: ReasonerError.
    """
    try:
        return Calibration.read(folder)
    except ValueError as error:
        raise ReasonerError(str(error)) from error


def _dtype(config: PreTrainedConfig, device: str) -> torch.dtype | str:
    """As stored, but never half precision on a CPU (slow) or in a shared vision tower (other masks)."""
    if shares_vision_tower(config) or (device == "cpu" and config.dtype != torch.bfloat16):
        return torch.float32
    return "auto"

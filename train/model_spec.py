"""What is trained: a model's folder with its processor and its conventions.

Is: the same choices `medreasoner.reasoners` makes at inference, so that a model is trained on what it will be asked.
Is not: the weights.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoConfig, AutoProcessor, ProcessorMixin

from medreasoner.geometry import Frame
from medreasoner.hub.pull import fetch_folder
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt, prompt_for
from medreasoner.reasoners.families import ANY_OTHER, FAMILIES


@dataclass(frozen=True)
class ModelSpec:
    """`square`: side in pixels to which each image is resized first, its aspect not kept; None leaves that to the processor."""

    folder: Path
    processor: ProcessorMixin
    prompt: Prompt
    frame: Frame
    square: int | None


def open_model_spec(model: str) -> ModelSpec:
    """Processor, prompt and frame of a model: its own where its folder says so, else its family's. Errors: HubError, ValueError."""
    folder = fetch_folder(model)
    processor = AutoProcessor.from_pretrained(folder, padding_side="left")
    manifest = Manifest.read(folder)
    family = FAMILIES.get(AutoConfig.from_pretrained(base_of(folder) or folder).model_type, ANY_OTHER)
    frame = manifest.frame or family.frame
    own = folder / "prompt.json"
    return ModelSpec(
        folder,
        processor,
        Prompt.load(own) if own.exists() else prompt_for(frame),
        frame,
        manifest.square or family.square,
    )


def base_of(folder: Path) -> Path | None:
    """The folder of the model that an adapter in `folder` was trained on; None if it holds no adapter. Errors: HubError."""
    adapter = folder / "adapter_config.json"
    if not adapter.exists():
        return None
    return fetch_folder(json.loads(adapter.read_text(encoding="utf-8"))["base_model_name_or_path"])

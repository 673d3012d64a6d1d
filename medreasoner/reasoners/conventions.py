"""What is known of a model before its weights are opened: prompt, coordinate frame and image size, from what
its folder says of itself, else from its family. The same at inference and in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from transformers import PreTrainedConfig, ProcessorMixin

from medreasoner.geometry import Frame
from medreasoner.manifest import Manifest
from medreasoner.messages import first_line
from medreasoner.prompts import Prompt, misfit, prompt_for
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.checkpoint import open_config, open_processor, processed_wh
from medreasoner.reasoners.families import ANY_OTHER, FAMILIES, Family
from medreasoner.reasoners.image_size import InputSize
from medreasoner.reasoners.processor_trial import try_out


@dataclass(frozen=True)
class Conventions:
    """What is known of a model before its weights are opened; the same at inference and in training.

    Args:
        frame: in which it writes coordinates.
        size: to which images are resized before its processor.
    """

    config: PreTrainedConfig
    manifest: Manifest
    family: Family
    frame: Frame
    prompt: Prompt
    processor: ProcessorMixin
    size: InputSize


def open_conventions(
    folders: Sequence[Path], prompt: Prompt | None = None, family: str | None = None
) -> Conventions:
    """The conventions of a model: what a folder states itself, else those of its family.

    Args:
        folders: of the model, or of an adapter and then of the model it stands on; earlier ones take
            precedence.
        prompt, family: as for `loading.load_vlm`.

    Errors: ReasonerError.
    """
    config = open_config(folders[-1])
    conventions = FAMILIES.get(family or config.model_type, ANY_OTHER)
    try:
        manifest = Manifest.read(_first_with(folders, "medreasoner.json"))
    except ValueError as error:
        raise ReasonerError(str(error)) from error
    frame = manifest.frame or conventions.frame
    prompt = _prompt_of(_first_with(folders, "prompt.json"), manifest, frame, prompt)
    processor = open_processor(_first_with(folders, "processor_config.json", "preprocessor_config.json"))
    size = InputSize.of(manifest, conventions)
    try_out(processor, prompt, size, folders[0])
    _check_square(manifest.square, processor, folders[0])
    return Conventions(config, manifest, conventions, frame, prompt, processor, size)


def _first_with(folders: Sequence[Path], *names: str) -> Path:
    """The first of `folders` that holds a file of one of these names, else the last."""
    return next(
        (folder for folder in folders if any((folder / name).exists() for name in names)), folders[-1]
    )


def _prompt_of(folder: Path, manifest: Manifest, frame: Frame, chosen: Prompt | None) -> Prompt:
    """The prompt to use: the `chosen` one, else the folder's `prompt.json`, else the project's own for
    `frame`.

    Errors: ReasonerError where it is not the one the checkpoint was trained with (unless `chosen`), or speaks
        of another frame.
    """
    path = folder / "prompt.json"
    prompt = chosen or _read_prompt(path) or prompt_for(frame, bool(manifest.absence))
    if chosen is None and manifest.prompt_sha256 not in (None, prompt.sha256):
        source = str(path) if path.exists() else "this version's own prompt"
        raise ReasonerError(
            f"the model in {folder} was trained with the prompt {manifest.prompt_sha256[:12]}… "
            f"(medreasoner.json), but {source} is "
            f"{prompt.sha256[:12]}…; put its prompt.json beside it, or choose a prompt yourself with --prompt"
        )
    if why := misfit(prompt, frame):
        raise ReasonerError(f"{folder}: {why}; correct frame in medreasoner.json, or the prompt")
    return prompt


def _read_prompt(path: Path) -> Prompt | None:
    """The prompt in `path`, None where there is no such file. Errors: ReasonerError."""
    if not path.exists():
        return None
    try:
        return Prompt.load(path)
    except (OSError, ValueError) as error:
        raise ReasonerError(f"{path} cannot be used: {first_line(error)}") from error


def _check_square(square: int | None, processor: ProcessorMixin, folder: Path) -> None:
    """Errors: ReasonerError if the processor changes the size that the checkpoint was trained with."""
    if square is None:
        return
    image = Image.new("RGB", (square, square))
    seen = processed_wh(processor.image_processor(images=[image], return_tensors="pt"), processor)
    if seen != (square, square):
        raise ReasonerError(
            f"{folder}: medreasoner.json says the model sees {square} x {square} pixels, but its image "
            "processor makes that "
            f"{seen[0]} x {seen[1]}; coordinates would not be those it was trained with. Correct square, or "
            "the processor's limits"
        )

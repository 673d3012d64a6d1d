"""Opens the folder of a transformers image-text-to-text model: configuration, processor, weights.

Is: the strict way in. Weights come from safetensors only, no code of the folder runs, and whatever is missing, truncated, of the wrong
shape or not of one piece (another prompt, an adapter for another base) is one ReasonerError instead of a model that quietly is worse.
Is not: the model's use; that is `vlm.py`.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)

from medreasoner.geometry import Frame
from medreasoner.manifest import Manifest, first_line
from medreasoner.prompts import Prompt, misfit, prompt_for
from medreasoner.reasoners.base import ReasonerError

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def holding(folders: Sequence[Path], *names: str) -> Path:
    """The first of `folders` that holds a file of one of these names, else the last."""
    return next(
        (folder for folder in folders if any((folder / name).exists() for name in names)), folders[-1]
    )


def fitting_prompt(folder: Path, manifest: Manifest, frame: Frame, asked: Prompt | None) -> Prompt:
    """The prompt to use: `asked`, else the folder's `prompt.json`, else the project's own for `frame`.

    Errors: ReasonerError where it is not the one the checkpoint was trained with (unless `asked` for), or speaks of another frame.
    """
    path = folder / "prompt.json"
    prompt = asked or (_read_prompt(path) if path.exists() else prompt_for(frame, bool(manifest.absence)))
    if asked is None and manifest.prompt_sha256 not in (None, prompt.sha256):
        source = str(path) if path.exists() else "this version's own prompt"
        raise ReasonerError(
            f"the model in {folder} was trained with the prompt {manifest.prompt_sha256[:12]}… (medreasoner.json), but {source} is "
            f"{prompt.sha256[:12]}…; put its prompt.json beside it, or choose a prompt yourself with --prompt"
        )
    if why := misfit(prompt, frame):
        raise ReasonerError(f"{folder}: {why}; correct frame in medreasoner.json, or the prompt")
    return prompt


def _read_prompt(path: Path) -> Prompt:
    try:
        return Prompt.load(path)
    except (ValueError, TypeError, AttributeError) as error:  # the last two: templates that are no text
        raise ReasonerError(f"{path} cannot be used: {first_line(error)}") from error


def open_config(folder: Path) -> PreTrainedConfig:
    """`config.json` of `folder`. Errors: ReasonerError."""
    if not (folder / "config.json").exists():
        raise ReasonerError(
            f"{folder} holds no config.json; expected the folder of a transformers image-text-to-text model"
        )
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReasonerError(f"{folder}/config.json cannot be used: {first_line(error)}") from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ReasonerError(
            f"{folder} holds a {config.model_type!r} model; expected one that takes an image and text and answers in text"
        )
    return config


def open_processor(folder: Path) -> ProcessorMixin:
    """Image processor, tokenizer and chat template of `folder`. Errors: ReasonerError."""
    expected = "expected tokenizer.json, tokenizer_config.json and processor_config.json or preprocessor_config.json beside the weights"
    try:
        processor = AutoProcessor.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReasonerError(f"{folder} lacks a usable tokenizer or image processor; {expected}") from error
    # some families make an empty tokenizer of nothing
    if not isinstance(processor, ProcessorMixin) or not processor.tokenizer.encode(
        "a", add_special_tokens=False
    ):
        raise ReasonerError(f"{folder} lacks a usable tokenizer or image processor; {expected}")
    if not processor.chat_template:
        raise ReasonerError(
            f"{folder} holds no chat template for images and text; expected chat_template.jinja beside the weights"
        )
    return processor


def open_model(
    folder: Path, config: PreTrainedConfig, device: str, dtype: torch.dtype | str
) -> PreTrainedModel:
    """The weights of `folder` on `device`, in evaluation mode. Errors: ReasonerError."""
    if not list(folder.glob("*.safetensors")):
        raise ReasonerError(
            f"{folder} holds no *.safetensors weights; other formats are not read because they can run code"
        )
    options = {
        "device_map": device,
        "use_safetensors": True,
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
        **LOCAL,
    }
    try:
        model, info = AutoModelForImageTextToText.from_pretrained(
            folder, config=config, dtype=dtype, **options
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ReasonerError(
            f"the weights in {folder} cannot be loaded: {first_line(error)}; are the files whole?"
        ) from error
    lacking = sorted(info["missing_keys"]) + sorted(key for key, *_ in info["mismatched_keys"])
    if lacking:
        raise ReasonerError(
            f"the weights in {folder} lack {len(lacking)} tensors or have them in another shape, {lacking[0]} for one"
        )
    return model.eval()


def merge_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """`model` with the PEFT adapter of `folder` worked into its weights. Errors: ReasonerError."""
    from peft import PeftConfig, PeftModel, set_peft_model_state_dict

    path = folder / "adapter_model.safetensors"
    if not path.exists():
        raise ReasonerError(
            f"{folder} holds no adapter_model.safetensors; other formats are not read because they can run code"
        )
    try:
        adapted = PeftModel(model, PeftConfig.from_pretrained(str(folder)))
        state = load_file(path)
        result = set_peft_model_state_dict(adapted, state)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ReasonerError(
            f"the adapter in {folder} does not fit its base model: {first_line(error)}"
        ) from error
    lacking = [key for key in result.missing_keys if adapted.active_adapter in key.split(".")]
    if lacking or result.unexpected_keys:
        example = (lacking or result.unexpected_keys)[0]
        raise ReasonerError(
            f"the adapter in {folder} does not fit its base model: {len(lacking)} tensors missing, {len(result.unexpected_keys)} unknown, "
            f"{example} for one"
        )
    return adapted.merge_and_unload().eval().requires_grad_(False)

"""Opens the folder of a transformers image-text-to-text model: configuration, processor, weights.

Is: the strict way in. Weights come from safetensors only, no code of the folder runs, and whatever is missing, truncated or of the wrong
shape is one ReasonerError instead of a model with random parts.
Is not: the model's use; that is `vlm.py`.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)

from medreasoner.loading import first_line
from medreasoner.reasoner import ReasonerError

LOCAL = {"local_files_only": True, "trust_remote_code": False}


def pick_device(device: str | None) -> str:
    """`device`, or the best one here: "cuda", "mps" or "cpu"."""
    if device is not None:
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def open_config(folder: Path) -> PreTrainedConfig:
    """`config.json` of `folder`. Errors: ReasonerError."""
    if not (folder / "config.json").exists():
        raise ReasonerError(f"{folder} holds no config.json; expected the folder of a transformers image-text-to-text model")
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReasonerError(f"{folder}/config.json cannot be used: {first_line(error)}") from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ReasonerError(f"{folder} holds a {config.model_type!r} model; expected one that takes an image and text and answers in text")
    return config


def open_processor(folder: Path) -> ProcessorMixin:
    """Image processor, tokenizer and chat template of `folder`. Errors: ReasonerError."""
    expected = "expected tokenizer.json, tokenizer_config.json and processor_config.json or preprocessor_config.json beside the weights"
    try:
        processor = AutoProcessor.from_pretrained(folder, **LOCAL)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReasonerError(f"{folder} lacks a usable tokenizer or image processor; {expected}") from error
    # some families make an empty tokenizer of nothing
    if not isinstance(processor, ProcessorMixin) or not processor.tokenizer.encode("a", add_special_tokens=False):
        raise ReasonerError(f"{folder} lacks a usable tokenizer or image processor; {expected}")
    if not processor.chat_template:
        raise ReasonerError(f"{folder} holds no chat template for images and text; expected chat_template.jinja beside the weights")
    return processor


def open_model(folder: Path, config: PreTrainedConfig, device: str, dtype: torch.dtype | str) -> PreTrainedModel:
    """The weights of `folder` on `device`, in evaluation mode. Errors: ReasonerError."""
    if not list(folder.glob("*.safetensors")):
        raise ReasonerError(f"{folder} holds no *.safetensors weights; other formats are not read because they can run code")
    options = {"device_map": device, "use_safetensors": True, "ignore_mismatched_sizes": True, "output_loading_info": True, **LOCAL}
    try:
        model, info = AutoModelForImageTextToText.from_pretrained(folder, config=config, dtype=dtype, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ReasonerError(f"the weights in {folder} cannot be loaded: {first_line(error)}; are the files whole?") from error
    lacking = sorted(info["missing_keys"]) + sorted(key for key, *_ in info["mismatched_keys"])
    if lacking:
        raise ReasonerError(f"the weights in {folder} lack {len(lacking)} tensors or have them in another shape, {lacking[0]} for one")
    return model.eval()

"""Opens the parts of a transformers image-text-to-text model from its folder: configuration, processor,
weights, adapter.

Strict on purpose. Weights come from safetensors only, no code of the folder runs, and whatever is missing,
cut short, of the wrong shape or made for something else (another prompt, another base model) is one
ReasonerError instead of a model that is quietly worse.
"""

import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import (
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING,
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    BatchFeature,
    PreTrainedConfig,
    PreTrainedModel,
    ProcessorMixin,
)

import medreasoner.reasoners.embedded  # noqa: F401 (registers its classes with transformers)
from medreasoner.hub.config_errors import ConfigError
from medreasoner.json_files import read_json
from medreasoner.messages import first_line, short
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.checkpoint_limits import check_config, lacking_package
from medreasoner.reasoners.generation import read_settings

SHARD = re.compile(r"[\w-][\w.-]*\.safetensors", re.ASCII)
LOCAL = {"local_files_only": True, "trust_remote_code": False}
# what transformers and PEFT raise for files that are missing, broken or say something impossible
UNREADABLE = (
    *(OSError, ValueError, LookupError, ArithmeticError, TypeError, AttributeError, RecursionError),
    ConfigError,
)
NEEDED = (
    "expected tokenizer.json, tokenizer_config.json and processor_config.json or preprocessor_config.json "
    "beside the weights"
)


def open_config(folder: Path) -> PreTrainedConfig:
    """`config.json` of `folder`. Errors: ReasonerError."""
    if not (folder / "config.json").exists():
        raise ReasonerError(
            f"{folder} holds no config.json; expected the folder of a transformers image-text-to-text model"
        )
    check_config(folder)
    try:
        config = AutoConfig.from_pretrained(folder, **LOCAL)
    except UNREADABLE as error:
        raise ReasonerError(f"{folder}/config.json cannot be used: {first_line(error)}") from error
    if type(config) not in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING:
        raise ReasonerError(
            f"{folder} holds a {config.model_type!r} model; expected one that takes an image and text and "
            "answers in text"
        )
    return config


def open_processor(folder: Path) -> ProcessorMixin:
    """Image processor, tokenizer and chat template of `folder`. Errors: ReasonerError."""
    try:
        processor = AutoProcessor.from_pretrained(folder, **LOCAL)
    except UNREADABLE as error:
        raise ReasonerError(f"{folder} lacks a usable tokenizer or image processor; {NEEDED}") from error
    # some families make an empty tokenizer of nothing
    if not isinstance(processor, ProcessorMixin) or not processor.tokenizer.encode(
        "a", add_special_tokens=False
    ):
        raise ReasonerError(f"{folder} lacks a usable tokenizer or image processor; {NEEDED}")
    if not processor.chat_template:
        raise ReasonerError(
            f"{folder} holds no chat template for images and text; expected chat_template.jinja beside the "
            "weights"
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
    _check_shards(folder / "model.safetensors.index.json")
    options = {
        "device_map": device,
        "use_safetensors": True,
        "ignore_mismatched_sizes": True,
        "output_loading_info": True,
        "generation_config": read_settings(folder),
        **LOCAL,
    }
    try:
        model, info = AutoModelForImageTextToText.from_pretrained(
            folder, config=config, dtype=dtype, **options
        )
    except ImportError as error:  # flash attention, or a package that reads quantized weights
        raise ReasonerError(
            f"{folder} needs a package that is not installed here: "
            f"{lacking_package(folder) or first_line(error)}"
        ) from error
    except (*UNREADABLE, RuntimeError, SafetensorError) as error:
        raise ReasonerError(
            f"the weights in {folder} cannot be loaded: {first_line(error)}; are the files whole?"
        ) from error
    lacking = sorted(info["missing_keys"]) + sorted(key for key, *_ in info["mismatched_keys"])
    if lacking:
        raise ReasonerError(
            f"the weights in {folder} lack {len(lacking)} tensors or have them in another shape, "
            f"{lacking[0]} for one"
        )
    return model.eval()


def _check_shards(index: Path) -> None:
    """Errors: ReasonerError unless every weights file that `index` names is a safetensors file beside it."""
    if not index.exists():
        return
    try:
        shards = set(read_json(index)["weight_map"].values())
    except UNREADABLE as error:
        raise ReasonerError(f"{index} cannot be used: {first_line(error)}") from error
    for shard in shards:
        if not isinstance(shard, str) or not SHARD.fullmatch(shard):
            raise ReasonerError(
                f"{index} names the weights file {short(shard)}; expected the name of a .safetensors file "
                "beside it"
            )


def merge_adapter(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """`model` with the PEFT adapter of `folder` worked into its weights. Errors: ReasonerError."""
    from peft import PeftConfig, PeftModel, set_peft_model_state_dict

    path = folder / "adapter_model.safetensors"
    if not path.exists():
        raise ReasonerError(
            f"{folder} holds no adapter_model.safetensors; other formats are not read because they can run "
            "code"
        )
    try:
        adapted = PeftModel(model, PeftConfig.from_pretrained(str(folder)))
        state = load_file(path)
        result = set_peft_model_state_dict(adapted, state)
    except (*UNREADABLE, RuntimeError, SafetensorError) as error:
        raise ReasonerError(
            f"the adapter in {folder} does not fit its base model: {first_line(error)}"
        ) from error
    lacking = [key for key in result.missing_keys if adapted.active_adapter in key.split(".")]
    if lacking or result.unexpected_keys:
        example = (lacking or result.unexpected_keys)[0]
        raise ReasonerError(
            f"the adapter in {folder} does not fit its base model: {len(lacking)} tensors missing, "
            f"{len(result.unexpected_keys)} unknown, "
            f"{example} for one"
        )
    return adapted.merge_and_unload().eval().requires_grad_(False)


def processed_wh(pixels: BatchFeature, processor: ProcessorMixin) -> tuple[int, int]:
    """(width, height) of an image as it enters the vision tower, from what the image processor made of it."""
    if "image_grid_thw" in pixels:
        _, rows, columns = pixels["image_grid_thw"][0].tolist()
        patch = processor.image_processor.patch_size
        return columns * patch, rows * patch
    height, width = pixels["pixel_values"].shape[-2:]
    return width, height

"""Checkpoints in the file layout of the published ones, with random weights: Lingshu-7B and other Qwen2.5-VL
models, and MedSAM2.

The files are those of the repositories in early 2025 (sharded bf16 safetensors with an index and the tensor
names of that time, a flat config.json, preprocessor_config.json, chat_template.json), shrunk; MedSAM2's `.pt`
has its full architecture. Nothing here has seen the original weights. File and key names come from
transformers 4.49's Qwen2.5-VL and the `sam2` package.
"""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from medreasoner.segmenters import sam2_package
from tests import tiny

FLAT = {
    "model_type": "qwen2_5_vl",
    "torch_dtype": "bfloat16",
    "transformers_version": "4.49.0",
    "use_cache": True,
}
# how transformers 4.49 named what it saved <- how 5 names it
OLD_NAMES = {"model.language_model.": "model.", "model.visual.": "visual."}


def lingshu(folder: Path, script: str | None = None, shards: int = 3) -> Path:
    """A Qwen2_5_VLForConditionalGeneration repository as Lingshu-7B's is laid out; it comes with no file of
    ours.
    """
    tiny.qwen2_5_vl(folder, script)
    (folder / "medreasoner.json").unlink()
    _config(folder)
    _weights(folder, shards)
    processor = json.loads((folder / "processor_config.json").read_text())
    old = {"min_pixels": 3136, "max_pixels": 12845056, "image_processor_type": "Qwen2VLImageProcessor"}
    kept = ("patch_size", "temporal_patch_size", "merge_size", "image_mean", "image_std")
    images = processor["image_processor"]
    old |= {key: images[key] for key in kept} | {"processor_class": "Qwen2_5_VLProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(old))
    (folder / "processor_config.json").unlink()
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    (folder / "chat_template.jinja").unlink()
    return folder


def _config(folder: Path) -> None:
    """The language model's settings at the top level, with mrope under rope_scaling."""
    config = json.loads((folder / "config.json").read_text())
    text, vision = config.pop("text_config"), config.pop("vision_config")
    rope = text.pop("rope_parameters")
    kept = {
        key: value
        for key, value in text.items()
        if key not in ("model_type", "dtype", "layer_types", "transformers_version")
    }
    ids = {key: value for key, value in config.items() if key.endswith("_token_id")}
    names = (
        "depth",
        "hidden_size",
        "intermediate_size",
        "num_heads",
        "out_hidden_size",
        "fullatt_block_indexes",
        "patch_size",
    )
    flat = {**kept, **ids, **FLAT, "architectures": config["architectures"], "tie_word_embeddings": False}
    flat |= {
        "rope_theta": rope["rope_theta"],
        "rope_scaling": {"type": "mrope", "mrope_section": rope["mrope_section"]},
    }
    flat["vision_config"] = {key: vision[key] for key in names if key in vision}
    (folder / "config.json").write_text(json.dumps(flat))


def _weights(folder: Path, shards: int) -> None:
    state = {}
    for path in folder.glob("model*.safetensors"):
        state |= load_file(path)
        path.unlink()
    for new, old in OLD_NAMES.items():
        state = {
            old + key.removeprefix(new) if key.startswith(new) else key: value for key, value in state.items()
        }
    placed, keys = {}, sorted(state)
    for number in range(shards):
        name = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        part = {key: state[key].bfloat16().contiguous() for key in keys[number::shards]}
        save_file(part, folder / name, metadata={"format": "pt"})
        placed |= dict.fromkeys(part, name)
    index = {
        "metadata": {"total_size": sum(2 * value.numel() for value in state.values())},
        "weight_map": placed,
    }
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def medsam2(path: Path) -> Path:
    """A SAM 2.1 hiera-tiny with its memory modules, in float32, under "model" of a torch file."""
    torch.manual_seed(0)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"model": sam2_package.build("2.1").state_dict()}, path)
    return path

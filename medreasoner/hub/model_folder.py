"""Which files of a model's folder belong on the Hub, and whether all that is needed is there."""

import fnmatch
from pathlib import Path

from safetensors import SafetensorError, safe_open

from medreasoner.hub.repository import CARD
from medreasoner.json_files import read_json
from medreasoner.messages import first_line

INDEX = "model.safetensors.index.json"
WEIGHTS = (
    *("model.safetensors", "model-*-of-*.safetensors", "adapter_model.safetensors"),
    "presence_head.safetensors",  # of the embedded pair
)
# what a transformers, PEFT or MedReasoner folder needs to be loaded, and what it says of itself
BELONG = (
    *WEIGHTS,
    INDEX,
    "config.json",
    "adapter_config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "prompt.json",
    "medreasoner.json",
    "calibration.json",
    "run.json",
    CARD,
    "LICENSE*",
)
SEGMENTER = "segmenter"
IN_SEGMENTER = ("config.json", "model.safetensors", "medreasoner.json", "run.json", "LICENSE*")


def link_files(folder: Path, out: Path, patterns: tuple[str, ...]) -> None:
    """Make the folder `out` with a link to each file of `folder` that matches a pattern. Errors: ValueError
    where there is no folder.
    """
    if not folder.is_dir():
        raise ValueError("there is no such folder")
    out.mkdir(parents=True)
    for path in folder.iterdir():
        if path.is_file() and any(fnmatch.fnmatch(path.name, pattern) for pattern in patterns):
            refuse_outside(path, folder)
            (out / path.name).symlink_to(path.resolve())


def belonging(folder: Path) -> tuple[str, ...]:
    """BELONG, and the shards that the folder's index names, whatever they are called. Errors: ValueError for
    an index that cannot be read."""
    index = folder / INDEX
    shards = set(read_json(index)["weight_map"].values()) if index.exists() else set()
    named = (name for name in shards if isinstance(name, str) and name.endswith(".safetensors"))
    return (*BELONG, *sorted(named))


def refuse_outside(path: Path, folder: Path) -> None:
    """Errors: ValueError for a link that leads out of the folder, or of the Hub's cache that holds it."""
    real, home = path.resolve(), folder.resolve()
    cached = home.parent.name == "snapshots" and real.is_relative_to(home.parent.parent / "blobs")
    if not (real.is_relative_to(home) or cached):
        raise ValueError(f"{path.name} is a link that leads out of the folder; put the file itself there")


def check_weights(folder: Path, adapter: bool) -> None:
    """Errors: ValueError unless every tensor that is announced is there. Only the files' headers are read."""
    index = folder / INDEX
    single = folder / ("adapter_model.safetensors" if adapter else "model.safetensors")
    if adapter or not index.exists():
        if not single.exists():
            raise ValueError(
                f"it holds no {single.name}; weights are published as safetensors, never as .bin or .pt"
            )
        tensor_names(single)
        return
    placed = read_json(index)["weight_map"]
    for name in sorted(set(placed.values())):
        lacking = {tensor for tensor, shard in placed.items() if shard == name} - tensor_names(folder / name)
        if lacking:
            raise ValueError(
                f"{name} lacks {len(lacking)} tensors that {index.name} says it holds, {min(lacking)} for one"
            )


def tensor_names(path: Path) -> set[str]:
    """The names in a safetensors file, from its header. Errors: ValueError where it cannot be read."""
    if not path.exists():
        raise ValueError(f"the shard {path.name} is missing")
    try:
        with safe_open(path, "np") as file:
            return set(file.keys())
    except SafetensorError as error:
        raise ValueError(f"{path.name} cannot be read: {first_line(error)}; is it whole?") from error


def check_beside(folder: Path) -> None:
    """Errors: ValueError unless a tokenizer, an image processor and a chat template are there."""
    needed = {
        "config.json": ("config.json",),
        "a tokenizer": ("tokenizer.json", "tokenizer.model", "vocab.json"),
        "an image processor": ("processor_config.json", "preprocessor_config.json"),
        "a chat template": ("chat_template.jinja", "chat_template.json"),
    }
    for what, names in needed.items():
        if not any((folder / name).exists() for name in names):
            raise ValueError(f"it lacks {what}; expected {' or '.join(names)} beside the weights")

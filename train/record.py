"""`run.json`: the facts of a training run, from which a model's card is written."""

import dataclasses
import hashlib
import json
import platform
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import Trainer, TrainingArguments

from medreasoner.data.sample import Sample


def record(trainer: Trainer, options: TrainingArguments, samples: Sequence[Sample]) -> dict:
    """Facts of a run: the options that differ from the defaults, data, size, machine and curve."""
    defaults = {
        f.name: f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        for f in dataclasses.fields(options)
    }
    changed = {
        name: getattr(options, name)
        for name, default in defaults.items()
        if not name.startswith("_") and getattr(options, name) != default
    }
    cpu = f"{platform.machine()}, {torch.get_num_threads()} threads"
    return {
        "trainer": type(trainer).__name__,
        "options": changed,
        "samples": len(samples),
        "data_hash": data_hash(samples),
        "sources": sources([Path(folder) for folder in options.data], {sample.id for sample in samples}),
        "trainable_m": round(sum(p.numel() for p in trainer.model.parameters() if p.requires_grad) / 1e6, 2),
        "steps": trainer.state.global_step,
        "processes": options.world_size,
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        "curve": trainer.state.log_history,
    }


def base_record(base: Path) -> dict:
    """{"went_on_from": record of the run that made the base model, without its curve}; empty where the
    base has no record."""
    path = base / "run.json"
    if not path.exists():
        return {}
    return {"went_on_from": without_curve(json.loads(path.read_text(encoding="utf-8")))}


def without_curve(facts: dict) -> dict:
    return {name: fact for name, fact in facts.items() if name != "curve"}


def data_hash(samples: Sequence[Sample]) -> str:
    """16 hexadecimal digits of the samples' ids, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(sample.id for sample in samples)).encode()).hexdigest()[:16]


def sources(folders: Sequence[Path], ids: set[str]) -> list[dict]:
    """For the card: each source of the samples `ids` with its number of images (augmented views count),
    licence and address.

    Read from the `samples.jsonl` of `folders`; sets in other layouts state no source and give no row.
    """
    images: dict[tuple[str, str, str], set[tuple[Path, str]]] = {}
    for folder in folders:
        path = folder / "samples.jsonl"
        for line in map(json.loads, path.open(encoding="utf-8") if path.is_file() else ()):
            if line["id"] in ids and "licence" in line:
                source = line.get("dataset", folder.name), line["licence"], line.get("source", "unknown")
                images.setdefault(source, set()).add((folder, line["image"]))
    return [
        {
            "set": name,
            "images": len(found),
            "licence": licence,
            "confirmed": "as the set states",
            "source": address,
        }
        for (name, licence, address), found in sorted(images.items())
    ]

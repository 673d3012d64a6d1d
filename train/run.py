"""What every training run has in common: its samples and weights, where it goes on, its adapter, and what it leaves behind.

Is: the way in, the newest whole checkpoint, LoRA's settings, the trained folder with its record (`run.json`) in the form a Hub repository
has. Is not: any training.
"""

import dataclasses
import hashlib
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from peft import LoraConfig
from transformers import AutoModelForImageTextToText, TrainerCallback

from medreasoner.data.load import load
from medreasoner.data.sample import Sample
from medreasoner.hub.errors import HubError
from medreasoner.hub.publish import PublishError, publish
from medreasoner.manifest import Manifest
from train.bf16 import rollout
from train.embedded.conversations import is_dev
from train.embedded.features import FeatureCache, remember_features
from train.preflight import usable

# the language part's own linear layers, in every family: never the vision tower, whose layers may be called the same
LANGUAGE = r"^(?!.*(vision|visual|multi_modal_projector|merger)).*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)$"
BESIDE = ("prompt.json", "medreasoner.json")  # files of a model's folder that training does not change


def open_samples(options) -> list[Sample]:
    """The samples of all sets that can be trained on, those held back left out if asked for.

    Errors: DataError for a set that cannot be read at all, PreflightError for samples that cannot be used.
    """
    sets = [load(source, options.split) for source in options.data]
    samples = [
        sample for loaded in sets for sample in loaded if not (options.hold_back and is_dev(sample.case))
    ]
    samples = samples[: options.limit] if options.limit else samples
    return usable(samples, [str(row) for loaded in sets for row in loaded.skipped], options.skip_broken)


def open_model(options, folder: Path, checkpoint: Path | None):
    """The model in the precision it is trained in; the weights of `checkpoint` if one is given (see `newest_checkpoint`)."""
    init = {"dtype": torch.float32} | (options.model_init_kwargs or {})
    whole = checkpoint is not None and not options.lora_rank
    model = AutoModelForImageTextToText.from_pretrained(checkpoint if whole else folder, **init)
    tower = getattr(model.model, "vision_tower", None) or getattr(model.model, "visual", None)
    if options.freeze_vision:
        tower.requires_grad_(False)
    if options.features:
        remember_features(tower, [FeatureCache(cache) for cache in options.features])
    if options.use_cpu and options.bf16:
        model.generate = rollout(model)
    return model


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint below `folder` that was written to its end (`trainer_state.json` comes last), or None.

    For a run that trains all weights, load them from it: Trainer's own resume compares names as they are on disk, where LLaVA's differ from
    those in memory, and then silently keeps what it has (transformers 5.23).
    """
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if is_json(path)]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def is_json(path: Path) -> bool:
    """Whether the file holds one whole JSON value: a kill may leave half of it."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def lora(options) -> LoraConfig:
    """An adapter on the language part."""
    return LoraConfig(
        r=options.lora_rank, lora_alpha=options.lora_alpha, target_modules=LANGUAGE, task_type="CAUSAL_LM"
    )


def data_hash(samples: Sequence[Sample]) -> str:
    """16 hexadecimal digits of the samples' ids, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(sample.id for sample in samples)).encode()).hexdigest()[:16]


def sources(folders: Sequence[Path], kept: set[str]) -> list[dict]:
    """What was trained on, for the card: a row for each source with its images (views of them counted), licence and address, as the sets in
    `folders` state them; sets of other layouts state none."""
    images: dict[tuple[str, str, str], set[tuple[Path, str]]] = {}
    for folder in folders:
        path = folder / "samples.jsonl"
        for line in map(json.loads, path.open(encoding="utf-8") if path.is_file() else ()):
            if line["id"] in kept and "licence" in line:
                told = line.get("dataset", folder.name), line["licence"], line.get("source", "unknown")
                images.setdefault(told, set()).add((folder, line["image"]))
    return [
        {
            "set": name,
            "images": len(found),
            "licence": licence,
            "confirmed": "as the set states",
            "source": source,
        }
        for (name, licence, source), found in sorted(images.items())
    ]


class Checkpoints(TrainerCallback):
    """Makes each checkpoint a folder that loads as a model does, and sends it to the Hub where a repository was named.

    What is sent is chosen by `medreasoner.publish`: never optimiser states, pickles or completions; the card is ours, from `run.json`. A
    save that the Hub does not take is said and does not end the run; the next one brings it along.
    """

    def __init__(self, base: Path, samples: Sequence[Sample], repo_id: str | None, private: bool):
        self.base, self.samples, self.repo_id, self.private = base, samples, repo_id, private
        self.trainer = None  # known once it is made

    def on_save(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        complete(folder, self.base, record(self.trainer, args, self.samples) | before(self.base))
        if self.repo_id is not None:
            self.send(folder, f"step {state.global_step}")

    def send(self, folder: Path, message: str) -> None:
        try:
            publish(folder, self.repo_id, private=self.private, message=message)
        except (HubError, PublishError) as error:
            print(f"{folder.name} was not sent to {self.repo_id}: {error}", file=sys.stderr)


def complete(folder: Path, base: Path, facts: dict) -> None:
    """Add to a model's folder what training does not change (the segmenter that shares its eye, if there is one), and its record."""
    for name in BESIDE:
        if (base / name).exists():
            (folder / name).write_bytes((base / name).read_bytes())
    segmenter = Manifest.read(base).segmenter
    if segmenter is not None and (base / segmenter).is_dir():
        shutil.copytree(base / segmenter, folder / segmenter, dirs_exist_ok=True)
    (folder / "run.json").write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")


def finish(trainer, saver: Checkpoints, options) -> Path:
    """Write the model (or adapter) and all that belongs beside it into the output folder, and send it; returns the folder."""
    out = Path(options.output_dir)
    trainer.save_model(str(out))
    if trainer.accelerator.is_main_process:
        trainer.processing_class.save_pretrained(out)
        complete(out, saver.base, record(trainer, options, saver.samples) | before(saver.base))
        (out / "training_args.bin").unlink(
            missing_ok=True
        )  # pickled, and says nothing that run.json does not
        (out / "README.md").unlink(
            missing_ok=True
        )  # the trainer's own; a card is written when the model is published
        if saver.repo_id is not None:
            saver.send(out, f"trained, {trainer.state.global_step} steps")
    return out


def before(base: Path) -> dict:
    """What is recorded of the model a run went on from, its curve apart; nothing where it has no record."""
    path = base / "run.json"
    if not path.exists():
        return {}
    facts = json.loads(path.read_text(encoding="utf-8"))
    return {"went_on_from": {name: fact for name, fact in facts.items() if name != "curve"}}


def record(trainer, options, samples: Sequence[Sample]) -> dict:
    """Facts of a run: its own options, data, size, machine and curve."""
    defaults = {
        f.name: f.default if f.default_factory is dataclasses.MISSING else f.default_factory()
        for f in dataclasses.fields(options)
    }
    chosen = {f.name: getattr(options, f.name) for f in dataclasses.fields(options)}
    processor = f"{platform.machine()}, {torch.get_num_threads()} threads"
    return {
        "trainer": type(trainer).__name__,
        "options": {
            name: value
            for name, value in chosen.items()
            if value != defaults[name] and not name.startswith("_")
        },
        "samples": len(samples),
        "data_hash": data_hash(samples),
        "sources": sources([Path(folder) for folder in options.data], {sample.id for sample in samples}),
        "trainable_m": round(sum(p.numel() for p in trainer.model.parameters() if p.requires_grad) / 1e6, 2),
        "steps": trainer.state.global_step,
        "processes": options.world_size,
        "hardware": torch.cuda.get_device_name() if torch.cuda.is_available() else processor,
        "curve": trainer.state.log_history,
    }

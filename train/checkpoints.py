"""Checkpoints: finding the newest whole one, making each a folder that loads as a model does, sending it
to the Hub."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from medreasoner.data.sample import Sample
from medreasoner.hub.errors import HubError
from medreasoner.hub.publish import PublishError, publish
from medreasoner.manifest import Manifest
from train.record import base_record, record

UNCHANGED = ("prompt.json", "medreasoner.json")  # files of a model's folder that training does not change


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint below `folder` that was written to its end (`trainer_state.json` comes last), or
    None.

    A run that trains all weights must load them from it: Trainer's own resume compares names as they are on
    disk, where LLaVA's differ from those in memory, and then silently keeps what it has (transformers 5.23).
    """
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def _is_json(path: Path) -> bool:
    """Whether the file holds one whole JSON value: a killed run may leave half of it."""
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


class Checkpoints(TrainerCallback):
    """Makes each checkpoint a folder that loads as a model does, and sends it to the Hub where a repository
    was named.

    `medreasoner.hub.publish` chooses what is sent: never optimiser states, pickles or completions; the card
    is ours, from `run.json`. When the Hub refuses a save, the reason goes to stderr and the run continues;
    the next save brings it along.
    """

    def __init__(self, base: Path, samples: Sequence[Sample], options: TrainingArguments) -> None:
        """`base` is the folder of the model that training starts from."""
        self.base, self.samples, self.options = base, samples, options
        self.repo_id, self.private = options.hub_model_id, options.hub_private_repo is not False
        self.trainer = None  # set once it exists: the trainer's constructor takes the callbacks

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if not state.is_world_process_zero:
            return
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        self._complete(folder)
        if self.repo_id is not None:
            self._send(folder, f"step {state.global_step}")

    def finish(self) -> Path:
        """Write the trained model (or adapter) and the files beside it into the output folder, and send
        it; returns the folder."""
        trainer, out = self.trainer, Path(self.options.output_dir)
        trainer.save_model(str(out))
        if trainer.accelerator.is_main_process:
            trainer.processing_class.save_pretrained(out)
            self._complete(out)
            # pickled options, which run.json holds too, and the trainer's own card; ours is written when the
            # model is published
            for name in ("training_args.bin", "README.md"):
                (out / name).unlink(missing_ok=True)
            if self.repo_id is not None:
                self._send(out, f"trained, {trainer.state.global_step} steps")
        return out

    def _complete(self, folder: Path) -> None:
        facts = record(self.trainer, self.options, self.samples) | base_record(self.base)
        complete(folder, self.base, facts)

    def _send(self, folder: Path, message: str) -> None:
        try:
            publish(folder, self.repo_id, private=self.private, message=message)
        except (HubError, PublishError) as error:
            print(f"{folder.name} was not sent to {self.repo_id}: {error}", file=sys.stderr)


def complete(folder: Path, base: Path, facts: dict) -> None:
    """Copy into a model's folder what training does not change (with the segmenter that shares its vision
    tower, if there is one), and write `facts` as its `run.json`."""
    for name in UNCHANGED:
        if (base / name).exists():
            (folder / name).write_bytes((base / name).read_bytes())
    segmenter = Manifest.read(base).segmenter
    if segmenter is not None and (base / segmenter).is_dir():
        shutil.copytree(base / segmenter, folder / segmenter, dirs_exist_ok=True)
    (folder / "run.json").write_text(json.dumps(facts, indent=1, default=str) + "\n", encoding="utf-8")

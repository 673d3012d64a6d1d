"""The command line.

Is: one dataclass per command; its fields are the options, the text beside a field is its help, `run()` does the work and returns the exit
code. Is not: any of the work itself. Nothing heavy is imported before the options are read.

    python -m medreasoner ground IMAGE "QUESTION" --out DIR
    python -m medreasoner evaluate --data FOLDER --split validation --out DIR

Exit codes: 0 fine; 2 what the user gave cannot be used; 1 the model or the program failed; 130 stopped with Ctrl-C.
"""

import argparse
import io
import os
import random
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from medreasoner.events import Done, Event, Failed
    from medreasoner.model import MedReasoner

FINE, OURS, INPUT, STOPPED = 0, 1, 2, 130


class UsageError(ValueError):
    """What the user gave cannot be used; the message says what was expected, what came and what to do."""


def argument(text: str, kind: Callable[[str], object] = str) -> Any:
    """A field that is a positional argument."""
    return field(metadata={"help": text, "kind": kind})


def option(text: str, default: object = MISSING, kind: Callable[[str], object] = str, shown: str | None = None) -> Any:
    """A field that is an option: required where it has no default, a switch where the default is False."""
    return field(default=default, metadata={"help": text, "kind": kind, "option": True, "shown": shown})


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class Models:
    """The options that name what runs."""

    model: str | None = option("reasoning model; the embedded one if left out", None, shown="ID_OR_FOLDER")
    segmenter: str | None = option("segmenter; the one that fits the model if left out", None, shown="ID_OR_FOLDER")
    device: str | None = option("cpu, cuda or mps; a GPU is taken if there is one", None, shown="D")
    prompt: Path | None = option("a prompt.json to ask with, instead of the model's own", None, Path, "FILE")
    no_think: bool = option("answer at once, without reasoning", False)

    def open(self) -> "MedReasoner":
        """Load both models. Errors: UsageError."""
        from medreasoner.answer import Prompt
        from medreasoner.model import MedReasoner
        from medreasoner.reasoner import ReasonerError
        from medreasoner.segmenter import SegmenterError

        try:
            prompt = None if self.prompt is None else Prompt.load(self.prompt)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"--prompt {self.prompt} is no prompt file ({error})") from error
        try:
            return MedReasoner.from_pretrained(self.model, self.segmenter, self.device, prompt)
        except (ReasonerError, SegmenterError) as error:
            raise UsageError(str(error)) from error


@dataclass(frozen=True, kw_only=True)
class Ground(Models):
    """Find what a question is about in one image: reasoning, box, two points and mask."""

    image: Path = argument("PNG, JPEG, TIFF, WebP, BMP, GIF, DICOM or NIfTI", Path)
    question: str = argument("what to look for, which need not be named")
    out: Path = option("folder for grounding.json, mask.png and overlay.png", kind=Path, shown="DIR")
    json: bool = option("print the JSON alone; the reasoning goes to standard error", False)

    def run(self) -> int:
        from medreasoner.events import Failed
        from medreasoner.export import dumps, save
        from medreasoner.images import load_image
        from medreasoner.pipeline import refuse

        loaded = load_image(self.image)
        if refusal := refuse(self.question):
            raise UsageError(refusal)
        make_folder(self.out)
        model = self.open()
        talk = sys.stderr if self.json else sys.stdout
        last = think_aloud(model.stream(loaded.image, self.question, not self.no_think), talk)
        if isinstance(last, Failed):
            print(last.message, file=sys.stderr)
            return OURS
        for note in (*loaded.notes, *last.notes):
            print(note, file=sys.stderr)
        files = save(last, loaded.image, self.out)
        if self.json:
            sys.stdout.write(dumps(last))
        else:
            print(f"Box {', '.join(f'{v:.1f}' for v in last.grounding.box)}; wrote {', '.join(map(str, files))}\n{last.notice}")
        return FINE


def think_aloud(events: "Iterable[Event]", talk: TextIO) -> "Done | Failed":
    """Write the reasoning to `talk` as it comes; returns the last event."""
    from medreasoner.events import Thinking

    last, begun = None, False
    for last in events:
        if isinstance(last, Thinking):
            talk.write(last.text)
            talk.flush()
            begun = begun or bool(last.text)
        elif begun:
            talk.write("\n")
            begun = False
    return last


@dataclass(frozen=True, kw_only=True)
class Evaluate(Models):
    """Score a model on a set of samples. A run that was stopped goes on where it was."""

    data: Path = option("folder with samples.jsonl, parquet file, or folder with SPLIT.parquet", kind=Path, shown="FOLDER_OR_PARQUET")
    split: str | None = option("only the samples of this split", None, shown="S")
    out: Path = option("folder for records.jsonl and summary.json", kind=Path, shown="DIR")
    no_masks: bool = option("box and points only, which saves the segmenter's time", False)
    controls: bool = option("score the prior, fixed boxes, shuffled questions, swapped images and the oracle too", False)
    train: Path | None = option("where --controls learns the prior; --data if left out", None, Path, "FOLDER_OR_PARQUET")
    train_split: str = option("split of --train", "train", shown="S")
    limit: int | None = option("only so many samples, drawn at random", None, whole, "N")
    seed: int = option("of --limit, the intervals and the controls", 0, whole, "N")
    strict: bool = option("stop at the first row that cannot be used instead of skipping it", False)

    def run(self) -> int:
        from medreasoner.data.load import load
        from medreasoner.evaluate import evaluate

        loaded = load(self.data, self.split, self.strict)
        samples = list(loaded)
        train = load(self.train or self.data, self.train_split, self.strict) if self.controls else None
        make_folder(self.out)
        for skipped in loaded.skipped:
            say(f"skipped {skipped}")
        if self.limit is not None:
            samples = random.Random(self.seed).sample(samples, min(self.limit, len(samples)))
        model = self.open()
        segmenter = None if self.no_masks else model.segmenter
        skipped = [str(row) for row in loaded.skipped]
        result = evaluate(samples, model.reasoner, segmenter, self.out, not self.no_think, train, self.seed, skipped, say)
        print("\n".join(lines(result)))
        return FINE


SCORES = {"box_iou": "box IoU", "acc_50": "Acc@0.5", "pdice_published": "pDice as published", "mask_dice": "mask Dice"}


def lines(result: dict) -> list[str]:
    """The summary of an evaluation for the terminal."""
    said = [f"{result['model']} with segmenter {result['segmenter']}: {result['n']} samples, means with 95 % intervals"]
    for name, row in {"model": result["overall"], **result.get("controls", {})}.items():
        for key, label in SCORES.items():
            if interval := row.get(key):
                said.append(f"{name:18}{label:20}{interval['mean']:.3f}  [{interval['low']:.3f}, {interval['high']:.3f}]")
    if result["failures"]:
        said.append(f"failed: {', '.join(f'{reason} {number}' for reason, number in result['failures'].items())}")
    return said


COMMANDS = {"ground": Ground, "evaluate": Evaluate}


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands, made from their fields."""
    parser = argparse.ArgumentParser(prog="python -m medreasoner", description="Grounds implicit clinical questions in medical images.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        made = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        made.set_defaults(command=command)
        for each in fields(command):
            text, kind = each.metadata["help"], each.metadata["kind"]
            flag = f"--{each.name.replace('_', '-')}"
            if "option" not in each.metadata:
                made.add_argument(each.name, type=kind, help=text)
            elif each.default is False:
                made.add_argument(flag, action="store_true", help=text)
            else:
                required = each.default is MISSING
                default = None if required else each.default
                made.add_argument(flag, type=kind, required=required, default=default, metavar=each.metadata["shown"], help=text)
    return parser


def make_folder(folder: Path) -> None:
    """Make sure that files can be written into `folder`. Errors: UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be a folder ({error.strerror}); choose another") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {folder} cannot be written to; choose another")


def settle_terminal() -> None:
    """A letter that the terminal cannot show becomes a question mark; moving bars stay out of files and pipes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")


def say(line: str) -> None:
    print(line, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code. argparse itself exits with 0 for --help and 2 for wrong options."""
    settle_terminal()
    options = vars(build_parser().parse_args(arguments))
    command = options.pop("command")(**options)
    from medreasoner.data.load import DataError
    from medreasoner.data.sample import SampleError
    from medreasoner.images import ImageError

    try:
        return command.run()
    except (UsageError, ImageError, DataError, SampleError) as error:
        say(str(error))
        return INPUT
    except KeyboardInterrupt:
        say("Stopped.")
        return STOPPED

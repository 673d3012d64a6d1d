"""What commands have in common: how options are declared, exit codes, and the options that name what runs.

A command is a frozen dataclass: its docstring is its help, its fields are its options, and `run()` does the
work and returns the exit code. Nothing heavy is imported before a command runs. The parser is in `cli.py`.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medreasoner.model import MedReasoner

FINE, OURS, INPUT, STOPPED = 0, 1, 2, 130
# module that may be missing -> the extra of this package that brings it
EXTRA_OF = {
    "datasets": "data",
    "fastapi": "page",
    "gradio": "page",
    "gradio_client": "page",
    "openai": "server",
    "pyarrow": "data",
    "spaces": "page",
    "starlette": "page",
}


class UsageError(ValueError):
    """What the user gave cannot be used; the message says what was expected, what came and what to do."""


def argument(text: str, kind: Callable[[str], object] = str) -> Any:  # noqa: ANN401 (stands where a field of any type does)
    """A field that is a positional argument."""
    return field(metadata={"help": text, "kind": kind})


def option(
    text: str, default: object = MISSING, kind: Callable[[str], object] = str, shown: str | None = None
) -> Any:  # noqa: ANN401
    """A field that is an option: required where it has no default, a switch where the default is False, and
    one that may be given several times where it is ()."""
    return field(default=default, metadata={"help": text, "kind": kind, "option": True, "shown": shown})


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The options that name a reasoning model and its segmenter."""

    model: str | None = option("reasoning model; the embedded one if left out", None, shown="ID_OR_FOLDER")
    segmenter: str | None = option(
        "segmenter; the one that fits the model if left out", None, shown="ID_OR_FOLDER"
    )
    device: str | None = option("cpu, cuda or mps; a GPU is taken if there is one", None, shown="D")
    revision: str | None = option(
        "branch, tag or commit of the model on the Hub; the newest if left out", None, shown="R"
    )
    segmenter_revision: str | None = option(
        "branch, tag or commit of the segmenter on the Hub; the newest if left out", None, shown="R"
    )
    allow_pickle: bool = option(
        "read a segmenter from a pickled file (.pt); only tensors are read, but safetensors are better", False
    )
    prompt: Path | None = option("a prompt.json to ask with, instead of the model's own", None, Path, "FILE")

    def open(self) -> "MedReasoner":
        """Load both models. Errors: UsageError."""
        from medreasoner.reasoners.base import ReasonerError
        from medreasoner.segmenters.base import SegmenterError

        try:
            return self.load()
        except (ReasonerError, SegmenterError) as error:
            raise UsageError(str(error)) from error

    def load(self) -> "MedReasoner":
        """Load both models. Errors: UsageError for a prompt, ReasonerError, SegmenterError."""
        from medreasoner.model import MedReasoner
        from medreasoner.prompts import Prompt

        try:
            prompt = None if self.prompt is None else Prompt.load(self.prompt)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"--prompt {self.prompt} is no prompt file ({error})") from error
        return MedReasoner.from_pretrained(
            self.model,
            self.segmenter,
            self.device,
            prompt=prompt,
            revision=self.revision,
            segmenter_revision=self.segmenter_revision,
            allow_pickle=self.allow_pickle,
        )


@dataclass(frozen=True, kw_only=True)
class Models(ModelOptions):
    """The options that name what runs."""

    no_think: bool = option("answer at once, without reasoning", False)


def typed(name: str, command: object) -> str:
    """The command line that makes this `command`, without the options that are at their defaults."""
    words = ["python", "-m", "medreasoner", name]
    for each in fields(command):
        value = getattr(command, each.name)
        if value != each.default:
            flag = [f"--{each.name.replace('_', '-')}"] if "option" in each.metadata else []
            words += flag if value is True else [*flag, str(value)]
    return shlex.join(words)


def make_folder(folder: Path) -> None:
    """Make sure that files can be written into `folder`. Errors: UsageError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be a folder ({error.strerror}); choose another") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {folder} cannot be written to; choose another")


def say(line: str) -> None:
    print(line, file=sys.stderr)

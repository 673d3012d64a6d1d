"""The options of a training command: one dataclass, a recipe of overrides, the command line above both.

Is: reading them, with the error a person can act on. Is not: their meaning; that stands with each field.
"""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml
from trl import TrlParser

from medreasoner.data.load import DataError
from medreasoner.hub.errors import HubError
from medreasoner.segmenters.base import SegmenterError
from train.bf16 import usable_on_cpu
from train.preflight import PreflightError

Chosen = TypeVar("Chosen")


@dataclass
class Shared:
    """What supervised and reinforced training have in common besides TRL's own options."""

    model: str = field(default="", metadata={"help": "folder or Hub id of the model to train"})
    data: list[str] = field(
        default_factory=list, metadata={"help": "sets of samples: folders, parquet files or Hub ids"}
    )
    split: str = field(default="train", metadata={"help": "of each set"})
    hold_back: bool = field(
        default=False,
        metadata={"help": "leave out one case in sixteen, to choose by (train/compare.py --dev)"},
    )
    wordings: int = field(
        default=1,
        metadata={"help": "rows per sample; more than one words the questions of known categories anew"},
    )
    direct_share: float = field(
        default=0.0, metadata={"help": "of the rows, 0..1, ask for an answer without reasoning"}
    )
    limit: int = field(default=0, metadata={"help": "only so many samples, the first; 0 takes all"})
    skip_broken: bool = field(
        default=False, metadata={"help": "leave out samples that cannot be used, instead of stopping"}
    )
    freeze_vision: bool = field(
        default=False, metadata={"help": "train the language part and the projector only"}
    )
    lora_rank: int = field(
        default=0, metadata={"help": "train a LoRA adapter of this rank; 0 trains all weights"}
    )
    lora_alpha: int = field(default=64, metadata={"help": "scale of the adapter"})


def parse(kind: type[Chosen], arguments: list[str]) -> Chosen:
    """An instance of the dataclass `kind` from its defaults, `--recipe FILE` (YAML, option: value) and the other arguments.

    `--push-to-hub USER/NAME` names the repository each save goes to (`hub_model_id`). Exits with 2 and one sentence for a recipe that
    cannot be read or an option that does not exist. bf16 on a CPU that is slow at it becomes fp32 (`train/bf16.py`).
    """
    given = [name_of(argument) for argument in arguments]
    if "--recipe" in given:
        at = given.index("--recipe")
        recipe = Path(given[at + 1]) if at + 1 < len(given) else Path()
        check_recipe(recipe, {each.name: each.default for each in dataclasses.fields(kind)})
        given[at] = "--config"
    try:
        (options,) = TrlParser([kind]).parse_args_and_config(given)
    except ValueError as error:  # options that TRL itself finds do not fit each other, a group that does not divide the batch say
        stop(f"these options do not fit each other: {error}")
    if options.use_cpu and options.bf16 and not usable_on_cpu(True):
        return parse(kind, [*arguments, "--bf16", "false"])
    return options


def run(kind: type[Chosen], main: Callable[[Chosen], object]) -> None:
    """Parse the command line and call `main`; what the user gave and cannot be used ends in one sentence and exit code 2."""
    options = parse(kind, sys.argv[1:])
    try:
        main(options)
    except (PreflightError, DataError, HubError, SegmenterError) as error:
        stop(str(error))


def name_of(argument: str) -> str:
    """TRL's name of an argument: what is typed as --push-to-hub is the repository's id here, not a switch."""
    return "--hub_model_id" if argument.replace("-", "_") == "__push_to_hub" else argument


def check_recipe(path: Path, defaults: dict[str, object]) -> None:
    """Exit with a sentence if `path` is no recipe for the options in `defaults`: it cannot be read, it is for another command, or it sets an
    option that does not exist (which would otherwise be ignored)."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        stop(
            f"the recipe {path} cannot be read ({error}); expected a YAML file with one 'option: value' a line"
        )
    if not isinstance(values, dict):
        stop(f"the recipe {path} holds no options; expected one 'option: value' a line")
    if values.get("command", defaults["command"]) != defaults["command"]:
        stop(f"the recipe {path} is for another command: python -m {values['command']} --recipe {path}")
    if unknown := sorted(set(values) - {*defaults, "env"}):
        stop(
            f"the recipe {path} sets {', '.join(unknown)}, which no option is called; see --help for those there are"
        )


def stop(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    raise SystemExit(2)

"""The options of a training command: one dataclass, overridden by a recipe (a YAML file), overridden by
the command line."""

import dataclasses
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn, TypeVar

import yaml
from trl import TrlParser

from medreasoner.data.load import DataError
from medreasoner.hub.errors import HubError
from medreasoner.reasoners.base import ReasonerError
from medreasoner.segmenters.base import SegmenterError
from train.bf16 import usable_on_cpu
from train.preflight import PreflightError, check_reports

Chosen = TypeVar("Chosen")


@dataclass
class Shared:
    """What SFT and GRPO have in common besides TRL's own options. Each command's `command` names its
    module, and so does a recipe's."""

    model: str = field(default="", metadata={"help": "folder or Hub id of the model to train"})
    data: list[str] = field(
        default_factory=list, metadata={"help": "sets of samples: folders, parquet files or Hub ids"}
    )
    split: str = field(default="train", metadata={"help": "of each set"})
    hold_back: bool = field(
        default=False,
        metadata={"help": "leave out one case in sixteen, to choose a model by (train/compare.py --dev)"},
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
    """An instance of the dataclass `kind` from its defaults, `--recipe FILE` and the other arguments.

    `--push-to-hub USER/NAME` names the repository each save goes to (`hub_model_id`). Exits with 2 and one
    sentence for a recipe that cannot be read, is for another command or sets an option that does not exist.
    bf16 on a CPU that is slow at it becomes fp32 (`train/bf16.py`).
    """
    given = [_trl_name(argument) for argument in arguments]
    if "--recipe" in given:
        at = given.index("--recipe")
        recipe = Path(given[at + 1]) if at + 1 < len(given) else Path()
        check_recipe(recipe, {each.name: each.default for each in dataclasses.fields(kind)})
        given[at] = "--config"
    try:
        (options,) = TrlParser([kind]).parse_args_and_config(given)
    except ValueError as error:  # TRL's own checks, of a group that does not divide the batch for example
        stop(f"these options do not fit each other: {error}")
    if options.use_cpu and options.bf16 and not usable_on_cpu(True):
        return parse(kind, [*arguments, "--bf16", "false"])
    return options


def run(kind: type[Chosen], main: Callable[[Chosen], object]) -> None:
    """Parse the command line and call `main`; an error in what the user gave ends in one sentence and exit
    code 2."""
    options = parse(kind, sys.argv[1:])
    try:
        check_reports(options)
        main(options)
    except (PreflightError, DataError, HubError, ReasonerError, SegmenterError) as error:
        stop(str(error))


def _trl_name(argument: str) -> str:
    """TRL's name of an argument: --push-to-hub takes the repository's id here, and is a switch in TRL."""
    return "--hub_model_id" if argument.replace("-", "_") == "__push_to_hub" else argument


def read_recipe(path: Path) -> dict[str, object]:
    """The options a recipe sets; exits with one sentence if it cannot be read."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        stop(
            f"the recipe {path} cannot be read ({error}); expected a YAML file of one 'option: value' a line"
        )
    if not isinstance(values, dict):
        stop(f"the recipe {path} holds no options; expected one 'option: value' a line")
    return values


def check_recipe(path: Path, defaults: dict[str, object]) -> None:
    """Exit with one sentence if `path` is no recipe for the options in `defaults`: it cannot be read, it
    is for another command, or it sets an option that does not exist (which TRL would ignore)."""
    values = read_recipe(path)
    command = values.get("command", defaults["command"])
    if command != defaults["command"]:
        stop(f"the recipe {path} is for another command: python -m {command} --recipe {path}")
    if unknown := sorted(set(values) - {*defaults, "env"}):
        stop(f"the recipe {path} sets unknown options: {', '.join(unknown)}; --help lists those there are")


def stop(sentence: str) -> NoReturn:
    """End the command with `sentence` on stderr and exit code 2."""
    print(sentence, file=sys.stderr)
    raise SystemExit(2)

"""The options of a training command: one dataclass, a recipe of overrides, the command line above both.

Is: reading them, with the error a person can act on. Is not: their meaning; that stands with each field.
"""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import yaml
from trl import TrlParser

from medreasoner.data.load import DataError
from medreasoner.hub import HubError
from medreasoner.segmenter import SegmenterError
from train.preflight import PreflightError

Chosen = TypeVar("Chosen")


def parse(kind: type[Chosen], arguments: list[str]) -> Chosen:
    """An instance of the dataclass `kind` from its defaults, `--recipe FILE` (YAML, option: value) and the other arguments.

    `--push-to-hub USER/NAME` names the repository each save goes to (`hub_model_id`). Exits with 2 and one sentence for a recipe that
    cannot be read or an option that does not exist.
    """
    given = [name_of(argument) for argument in arguments]
    if "--recipe" in given:
        at = given.index("--recipe")
        recipe = Path(given[at + 1]) if at + 1 < len(given) else Path()
        check_recipe(recipe, {each.name for each in dataclasses.fields(kind)} | {"env"})
        given[at] = "--config"
    try:
        (options,) = TrlParser([kind]).parse_args_and_config(given)
    except ValueError as error:  # options that TRL itself finds do not fit each other, a group that does not divide the batch say
        stop(f"these options do not fit each other: {error}")
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


def check_recipe(path: Path, known: set[str]) -> None:
    """Exit with a sentence if `path` is no recipe for these options: a misspelt one would otherwise change nothing, unseen."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        stop(f"the recipe {path} cannot be read ({error}); expected a YAML file with one 'option: value' a line")
    if not isinstance(values, dict):
        stop(f"the recipe {path} holds no options; expected one 'option: value' a line")
    if unknown := sorted(set(values) - known):
        stop(f"the recipe {path} sets {', '.join(unknown)}, which no option is called; see --help for those there are")


def stop(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    raise SystemExit(2)

"""What was asked for: the command line of `deploy.py` as an `Order`."""

import argparse
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medreasoner.manifest import EMBEDDED_NAME
from space.content import Content

ZERO = "zero-a10g"  # the flavour's historic name; ZeroGPU runs on other hardware by now
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
NAME = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Order:
    """What was asked for.

    Args:
        repo_id: "owner/name".
        content: what the Space runs.
        hardware: flavour; None for ZeroGPU where the Space is made now, else for the one it has.
        private: make it private; False leaves an existing Space as it is.
        update: an existing Space may be changed.
        secrets, variables: names and values of the Space's environment, besides `content.variables`.
    """

    repo_id: str
    content: Content = Content()
    hardware: str | None = None
    private: bool = False
    update: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options of a command line; None for that of this process."""
    parser = argparse.ArgumentParser(
        prog="python -m space.deploy", description="Put the page on Hugging Face Spaces."
    )
    parser.add_argument("repo_id", type=_repository, metavar="USER/NAME")
    parser.add_argument("--dry-run", action="store_true", help="show every call, change nothing")
    parser.add_argument(
        "--hardware",
        metavar="FLAVOUR",
        help=f"such as t4-small; a new Space gets {ZERO} (ZeroGPU) if left out",
    )
    parser.add_argument("--private", action="store_true", help="for you and your organisation only")
    parser.add_argument("--model", type=_repository, help="Hub id; the embedded pair if left out")
    parser.add_argument(
        "--revision",
        metavar="R",
        help="branch, tag or commit of --model to keep to; its newest files if left out",
    )
    parser.add_argument(
        "--segmenter", type=_repository, help="Hub id or 'embedded'; the one that fits the model if left out"
    )
    parser.add_argument("--title", default="MedReasoner", help="heads the page's card")
    parser.add_argument(
        "--dataset", type=_repository, action="append", default=[], help="linked on the card; may be repeated"
    )
    parser.add_argument(
        "--secret",
        type=_secret,
        action="append",
        default=[],
        metavar="NAME",
        help="taken from your environment",
    )
    parser.add_argument(
        "--variable",
        type=_variable,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="anyone can read it",
    )
    parser.add_argument("--update", action="store_true", help="change the Space if it exists and differs")
    parser.add_argument("--delete", action="store_true", help="delete the Space instead; asks first")
    options = parser.parse_args(arguments)
    if options.revision and options.model in (None, EMBEDDED_NAME):
        parser.error("--revision belongs to a model on the Hub; name it with --model OWNER/NAME")
    return options


def _repository(text: str) -> str:
    if text != EMBEDDED_NAME and not REPOSITORY.fullmatch(text):
        folder = "; a folder must be pushed to the Hub first" if Path(text).is_dir() else ""
        raise argparse.ArgumentTypeError(f"expected OWNER/NAME, got {text!r}{folder}")
    return text


def _secret(name: str) -> tuple[str, str]:
    if not os.environ.get(name):
        raise argparse.ArgumentTypeError(
            f"the environment holds no {name}; set it, and give --secret its name only"
        )
    return name, os.environ[name]


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not NAME.fullmatch(name):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value


def order_of(options: argparse.Namespace) -> Order:
    """What the options of `parse` ask for."""
    model = None if options.model == EMBEDDED_NAME else options.model
    content = Content(
        model,
        options.segmenter,
        title=options.title,
        datasets=tuple(options.dataset),
        revision=options.revision,
    )
    changing = {"hardware": options.hardware, "private": options.private, "update": options.update}
    return Order(
        options.repo_id, content, **changing, secrets=dict(options.secret), variables=dict(options.variable)
    )

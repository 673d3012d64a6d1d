"""Put the page on Hugging Face Spaces, and see it answer there.

    python -m space.deploy USER/NAME --dry-run                    # every call, and nothing is changed
    python -m space.deploy USER/NAME                              # the embedded pair, on ZeroGPU
    python -m space.deploy USER/NAME --model OWNER/MODEL --update
    python -m space.deploy USER/NAME --delete                     # asks first

Run it again after it was interrupted: what has arrived is not sent twice, and a Space that is as ordered is
    left alone.
Exit codes: 0 fine; 2 it cannot be done as asked, and nothing was published; 1 the Space is there but does not
    answer; 130 Ctrl-C.
"""

import argparse
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.hub.errors import HubError, asking
from medreasoner.manifest import EMBEDDED_NAME
from space.plan import SPACE, ZERO, Order, check_account, check_model, plan, read_space
from space.stage import Content, StageError, stage
from space.watch import BETWEEN, SpaceFailed, address, follow, try_out

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FINE, BROKEN, REFUSED, STOPPED = 0, 1, 2, 130
UNAUTHORIZED = 401
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
NAME = re.compile(r"[A-Za-z_]\w*")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
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


def deploy(api: "HfApi", order: Order, between: float = BETWEEN) -> None:
    """Make the Space as ordered, wait until it runs, ask it a question. Errors: HubError, StageError,
    SpaceFailed."""
    for line in check_account(api, order):
        print(line)
    order = check_model(api, order)
    state = read_space(api, order.repo_id)
    with tempfile.TemporaryDirectory(prefix="space-") as folder:
        names = stage(order.content, Path(folder))
        steps = plan(api, order, state, Path(folder), names)
        if steps:
            print(listing(Path(folder), names), flush=True)
        for step in steps:
            print(step.description, flush=True)
            with asking(step.description, order.repo_id):
                step.call()
        if not steps:
            print(f"{order.repo_id} is as ordered; nothing was sent")
        with asking(f"look at {order.repo_id}"):
            commit = api.repo_info(order.repo_id, **SPACE).sha
        follow(api, order.repo_id, commit, lambda line: print(line, flush=True), between=between)
        print(try_out(api, order.repo_id, Path(folder) / "medreasoner" / "examples"))
    print(address(api, order.repo_id))


def listing(folder: Path, names: Sequence[str]) -> str:
    """Every file that anybody who sees the Space can read, with its size."""
    return "\n".join(f"  {(folder / name).stat().st_size / 1e6:8.2f} MB  {name}" for name in names)


def rehearse(api: "HfApi", order: Order) -> None:
    """Print what `deploy` would do. Without a network or a token it goes by the order alone. Errors:
    HubError, StageError."""
    state = None
    try:
        for line in check_account(api, order):
            print(line)
        order = check_model(api, order)
        state = read_space(api, order.repo_id)
    except HubError as error:
        if not (error.unreachable or error.status == UNAUTHORIZED):
            raise
        print(f"{error}\nThe rest takes the Space for a new one.")
    with tempfile.TemporaryDirectory(prefix="space-") as folder:
        names = stage(order.content, Path(folder))
        steps = plan(api, order, state, Path(folder), names)
        for step in steps:
            print(f"would {step.description}")
        if steps:
            print(listing(Path(folder), names))
        print(
            (Path(folder) / "README.md")
            .read_text(encoding="utf-8")
            .partition("---\n")[2]
            .partition("---\n")[0],
            end="",
        )
    print(f"would follow the build, then ask the page about an example\n{address(api, order.repo_id)}")


def delete(api: "HfApi", repo_id: str, dry_run: bool) -> None:
    """Delete the Space after its name was typed. Errors: HubError."""
    if read_space(api, repo_id) is None:
        raise HubError(f"there is no Space {repo_id} that you can see; nothing was deleted")
    if dry_run:
        print(f"would ask, then delete the Space {repo_id}")
        return
    try:
        typed = input(
            f"This deletes the Space {repo_id}, its history and its settings. Type its name to go on: "
        )
    except EOFError:
        typed = ""
    if typed.strip() != repo_id:
        raise HubError(f"{repo_id} was not typed; nothing was deleted")
    with asking(f"delete the Space {repo_id}", repo_id):
        api.delete_repo(repo_id, **SPACE)
    print(f"deleted {repo_id}")


def main(arguments: Sequence[str] | None = None, between: float = BETWEEN) -> int:
    """Run the command line; returns the exit code. `between` are seconds between two looks at the Space."""
    options = parse(arguments)
    from huggingface_hub import HfApi, get_token

    api = HfApi(token=get_token())
    try:
        if options.delete:
            delete(api, options.repo_id, options.dry_run)
        elif options.dry_run:
            rehearse(api, order_of(options))
        else:
            deploy(api, order_of(options), between)
    except (HubError, StageError) as error:
        print(error, file=sys.stderr)
        return REFUSED
    except SpaceFailed as error:
        print(error, file=sys.stderr)
        return BROKEN
    except KeyboardInterrupt:
        print(f"Stopped; the Space builds on without us. {address(api, options.repo_id)}", file=sys.stderr)
        return STOPPED
    return FINE


if __name__ == "__main__":
    sys.exit(main())

"""Put the page on Hugging Face Spaces, and see it answer there.

    python -m space.deploy USER/NAME --dry-run                    # every call, and nothing is changed
    python -m space.deploy USER/NAME                              # the embedded pair, on ZeroGPU
    python -m space.deploy USER/NAME --model OWNER/MODEL --update
    python -m space.deploy USER/NAME --delete                     # asks first

Run it again after it was interrupted: what has arrived is not sent twice, and a Space that is as ordered is
left alone. Exit codes: 0 fine; 2 it cannot be done as asked, and nothing was published; 1 the Space is there
but does not answer; 130 Ctrl-C.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from medreasoner.hub.errors import HubError, asking
from space.order import Order, order_of, parse
from space.plan import SPACE, plan, read_space
from space.preflight import check_account, check_model
from space.requirements import StageError
from space.stage import stage
from space.watch import BETWEEN, SpaceFailed, address, follow, try_out

if TYPE_CHECKING:
    from huggingface_hub import HfApi

FINE, BROKEN, REFUSED, STOPPED = 0, 1, 2, 130
UNAUTHORIZED = 401


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

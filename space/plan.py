"""Plans a deployment: reads the Space as it is, and lists the steps to the one that was ordered.

Each step carries the sentence that `--dry-run` prints. The folder that is sent is made by `stage.py`;
`watch.py` follows the build.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from medreasoner.hub.errors import HubError, asking
from medreasoner.hub.repository import CARD, Repository, read_repository, visibility
from space.content import Content
from space.order import ZERO, Order

if TYPE_CHECKING:
    from huggingface_hub import HfApi

NEVER_TOUCHED = {".gitattributes"}
SPACE = {"repo_type": "space"}


class Step(NamedTuple):
    """One thing the Hub is asked to do: the description as it stands after "could not", and the call."""

    description: str
    call: Callable[[], object]


class SpaceState(NamedTuple):
    """A Space that is there: its repository, and what only a Space has."""

    repository: Repository
    hardware: str | None
    secrets: frozenset[str]
    variables: Mapping[str, str]

    @property
    def empty(self) -> bool:
        """Whether it holds nothing yet but what the Hub puts into every new Space; so a broken upload is
        taken up again."""
        return set(self.repository.files) <= NEVER_TOUCHED | {CARD}


def read_space(api: "HfApi", repo_id: str) -> SpaceState | None:
    """The Space as it is, None where there is none. Errors: HubError."""
    repository = read_repository(api, repo_id, "space")
    if repository is None:
        return None
    with asking(f"look at the settings of {repo_id}", repo_id):
        hardware = api.get_space_runtime(repo_id).requested_hardware
        secrets = frozenset(api.get_space_secrets(repo_id))
        variables = {key: each.value for key, each in api.get_space_variables(repo_id).items()}
    return SpaceState(repository, hardware, secrets, variables)


def plan(
    api: "HfApi", order: Order, state: SpaceState | None, folder: Path, names: Sequence[str]
) -> list[Step]:
    """The steps from `state`, None for a Space that is not there, to `order` with the staged files `names` of
    `folder`; none where nothing differs.

    Errors: HubError for a Space that is not ours, or that would be changed without `update`.
    """
    if state is not None and state.repository.own_card and not state.empty:
        raise HubError(
            f"the Space {order.repo_id} exists and was not made by this command; choose another name, or "
            "--delete it first"
        )
    steps = [
        *(_creation(api, order) if state is None else _settings(api, order, state)),
        *_upload(api, order, state and state.repository, folder, names),
    ]
    if state is not None and steps and not (order.update or state.empty):
        descriptions = "; ".join(step.description for step in steps)
        raise HubError(
            f"the Space {order.repo_id} exists and differs. With --update this would: {descriptions}"
        )
    return steps


def _creation(api: "HfApi", order: Order) -> Iterator[Step]:
    hardware, variables = order.hardware or ZERO, {**order.content.variables, **order.variables}
    carried = [f"variable {key}={value}" for key, value in variables.items()] + [
        f"secret {key}" for key in order.secrets
    ]
    description = f"create the {visibility(order.private)} Space {order.repo_id} on {hardware}" + "".join(
        f", {each}" for each in carried
    )
    yield Step(
        description,
        lambda: api.create_repo(
            order.repo_id,
            private=order.private,
            space_sdk="gradio",
            space_hardware=hardware,
            space_secrets=[{"key": key, "value": value} for key, value in order.secrets.items()],
            space_variables=[{"key": key, "value": value} for key, value in variables.items()],
            **SPACE,
        ),
    )


def _settings(api: "HfApi", order: Order, state: SpaceState) -> Iterator[Step]:
    """A secret that is there stays: its value cannot be read, so it cannot be compared."""
    repo_id, wanted = order.repo_id, {**order.content.variables, **order.variables}
    if order.private and not state.repository.private:
        yield Step(
            f"make {repo_id} private", lambda: api.update_repo_settings(repo_id, private=True, **SPACE)
        )
    for key, value in wanted.items():
        if state.variables.get(key) != value:
            yield Step(
                f"set the variable {key}={value}",
                lambda key=key, value=value: api.add_space_variable(repo_id, key, value),
            )
    for key in Content("-", "-", revision="-").variables.keys() & state.variables.keys() - wanted.keys():
        yield Step(f"remove the variable {key}", lambda key=key: api.delete_space_variable(repo_id, key))
    for key in sorted(order.secrets.keys() - state.secrets):
        yield Step(
            f"set the secret {key}", lambda key=key: api.add_space_secret(repo_id, key, order.secrets[key])
        )
    if order.hardware not in (None, state.hardware):
        yield Step(
            f"move it to {order.hardware}", lambda: api.request_space_hardware(repo_id, order.hardware)
        )


def _upload(
    api: "HfApi", order: Order, repository: Repository | None, folder: Path, names: Sequence[str]
) -> Iterator[Step]:
    """One commit that happens whole or not at all; it names its parent, so that two deployments at once
    cannot mix."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    sent = [name for name in names if repository is None or not repository.holds(name, folder / name)]
    present = set() if repository is None else set(repository.files)
    removed = sorted(present - set(names) - NEVER_TOUCHED)
    if sent or removed:
        size = sum((folder / name).stat().st_size for name in sent)
        operations = [CommitOperationAdd(name, folder / name) for name in sent] + [
            CommitOperationDelete(name) for name in removed
        ]
        message = f"Deploy {order.content.model or 'the embedded pair'}"
        parent = None if repository is None else repository.commit
        yield Step(
            f"commit {len(sent)} files ({size / 1e6:.1f} MB) and remove {len(removed)}",
            lambda: api.create_commit(
                order.repo_id, operations, commit_message=message, parent_commit=parent, **SPACE
            ),
        )

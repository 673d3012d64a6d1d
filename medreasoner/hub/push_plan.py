"""What a push to the Hub will do: the folder compared with the repository, in numbers, in words, or refused.

Nothing is sent from here; that is `push.py`.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from medreasoner.hub.errors import HubError
from medreasoner.hub.repository import CARD, Repository, visibility


class PushOrder(NamedTuple):
    """What was asked for; see `push.push_folder`."""

    repo_id: str
    repo_type: str
    private: bool
    create_pr: bool
    tag: str | None


class Remote(NamedTuple):
    """The repository before the push.

    Args:
        reached: whether the Hub answered.
        repository: None where there is none yet, or where the Hub did not answer.
        tags: tag -> commit.
    """

    reached: bool
    repository: Repository | None = None
    tags: Mapping[str, str] = {}

    @property
    def commit(self) -> str | None:
        """Where its main branch stands; None where there is none yet."""
        return None if self.repository is None else self.repository.commit


class Changes(NamedTuple):
    """What becomes of each file; paths in the repository."""

    sent: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]  # they differ there and stay as they are: a card somebody wrote


def compare(folder: Path, names: Sequence[str], remote: Remote, prune: Sequence[str]) -> Changes:
    """The changes that bring the repository to the state of the files `names` of `folder`.

    Args:
        prune: patterns of files to remove from the repository where they are not among `names`.
    """
    there = remote.repository
    if there is None:
        return Changes(tuple(sorted(names)), (), (), ())
    same = {name for name in names if there.holds(name, folder / name)}
    kept = {name for name in names if name == CARD and there.own_card} - same
    extra = there.files.keys() - set(names)
    removed = {path for path in extra if any(fnmatch.fnmatch(path, pattern) for pattern in prune)}
    return Changes(*(tuple(sorted(group)) for group in (set(names) - same - kept, same, removed, kept)))


def refuse(order: PushOrder, remote: Remote, changes: Changes) -> None:
    """Errors: HubError for what cannot end well, before anything is sent."""
    if order.tag and order.create_pr:
        raise HubError("a tag names a commit of main; give it after the pull request is merged")
    if order.create_pr and remote.reached and remote.repository is None:
        raise HubError(
            f"there is no repository {order.repo_id} yet to make a pull request to; push without it first"
        )
    tagged = remote.tags.get(order.tag)
    if tagged and (changes.sent or changes.removed or tagged != remote.commit):
        raise HubError(
            f"{order.repo_id} has a tag {order.tag} at {tagged[:8]} already; choose another, or remove that "
            "one first"
        )


def calls(order: PushOrder, remote: Remote, changes: Changes) -> tuple[str, ...]:
    """What the Hub will be asked to do, in order."""
    lines = []
    if remote.repository is None:
        lines.append(f"create the {visibility(order.private)} {order.repo_type} repository {order.repo_id}")
    if changes.sent or changes.removed:
        how = "open a pull request with" if order.create_pr else "commit to main:"
        lines.append(f"{how} {len(changes.sent)} files sent, {len(changes.removed)} removed")
    if order.tag and order.tag not in remote.tags:
        lines.append(f"tag it {order.tag}")
    return tuple(lines)


def notes(order: PushOrder, remote: Remote, changes: Changes) -> tuple[str, ...]:
    """What else one should know."""
    lines = []
    there = remote.repository
    if there is not None and there.private != order.private:
        lines.append(
            f"{order.repo_id} is {visibility(there.private)} and stays so; change that in its settings"
        )
    if not remote.reached:
        lines.append("the Hub was not reached, so every file counts as new")
    if changes.kept:
        lines.append(
            f"the {CARD} of {order.repo_id} was not written by medreasoner and is kept; remove it there to "
            "have this one"
        )
    return tuple(lines)

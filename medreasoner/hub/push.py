"""Pushes a folder into a Hub repository, as one commit that happens whole or not at all.

What has arrived is not sent twice, and a card that somebody wrote is kept. What belongs into a repository is
chosen by the caller (`publish.py`, `data/publish`, the Space's deployment).

    for line in push_folder("runs/packed", "user/name", dry_run=True).lines(): print(line)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medreasoner.hub.errors import HubError, asking
from medreasoner.hub.model_folder import refuse_outside
from medreasoner.hub.pull import repository_name
from medreasoner.hub.push_plan import PushOrder, Remote, calls, compare, notes, refuse
from medreasoner.hub.repository import read_repository


@dataclass(frozen=True)
class Push:
    """What a push did or, as a dry run, would do.

    Args:
        calls: what the Hub is asked to do, in order.
        notes: what else one should know.
        sent, unchanged, removed: paths in the repository.
        kept: paths that differ there and stay as they are: a card somebody wrote.
        url: page of the commit or pull request; the repository's own where nothing changed; None after a dry
            run.
        commit: where the branch (or the pull request) stands now; None after a dry run of a new repository.
    """

    calls: tuple[str, ...]
    notes: tuple[str, ...]
    sent: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]
    url: str | None
    commit: str | None

    def lines(self) -> list[str]:
        """For the terminal."""
        marks = {
            "send": self.sent,
            "remove": self.removed,
            "keep theirs": self.kept,
            "unchanged": self.unchanged,
        }
        files = [f"  {mark:12}{path}" for mark, paths in marks.items() for path in paths]
        return [*self.calls, *files, *self.notes, *([self.url] if self.url else [])]


def push_folder(
    folder: str | Path,
    repo_id: str,
    repo_type: str = "model",
    *,
    private: bool = True,
    create_pr: bool = False,
    dry_run: bool = False,
    tag: str | None = None,
    message: str | None = None,
    files: Sequence[str] | None = None,
    prune: Sequence[str] = (),
) -> Push:
    """Bring a repository to the state of a folder with one commit; it is made if it does not exist. Running
    it again changes nothing.

    Args:
        folder: what to push.
        repo_id: "owner/name".
        repo_type: "model" or "dataset" (a Space is made by its deployment).
        private: for a repository that is made now; one that exists keeps its visibility.
        create_pr: as a pull request instead of a commit to main.
        dry_run: say what would be done. The Hub is read if it can be reached, and never written.
        tag: of the commit.
        message: of the commit.
        files: paths relative to `folder`, with "/"; all that are not hidden if left out.
        prune: patterns of files to remove from the repository where they are not among `files`.

    Errors: HubError; nothing is published then, except that a new repository may exist, empty, and that a
        commit may lack its tag.
    """
    folder = Path(folder)
    order = PushOrder(repository_name(repo_id), repo_type, private, create_pr, tag)
    names = sorted(files) if files is not None else _own_files(folder)
    if not names:
        raise HubError(f"{folder} holds no file to push")
    if lacking := [name for name in names if not (folder / name).is_file()]:
        raise HubError(f"{folder} holds no file {lacking[0]!r}")
    remote = _read_remote(order, dry_run)
    changes = compare(folder, names, remote, prune)
    refuse(order, remote, changes)
    words = calls(order, remote, changes), notes(order, remote, changes)
    push = Push(*words, *changes, None, remote.commit)
    if dry_run:
        return push
    return _carry_out(folder, order, message or f"Push {folder.resolve().name}", remote, push)


def _own_files(folder: Path) -> list[str]:
    """All files that are not hidden. Errors: HubError for a link that leads out of the folder."""
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    visible = [name for name in names if not any(part.startswith(".") for part in name.parts)]
    for name in visible:
        try:
            refuse_outside(folder / name, folder)
        except ValueError as error:
            raise HubError(f"{folder} is not pushed: {error}") from error
    return sorted(name.as_posix() for name in visible)


def _read_remote(order: PushOrder, dry_run: bool) -> Remote:
    """The repository and its tags. Errors: HubError, but a dry run goes on without the Hub."""
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        repository = read_repository(api, order.repo_id, order.repo_type)
        if repository is None:
            return Remote(reached=True)
        with asking(f"look at the tags of {order.repo_id}", order.repo_id):
            refs = api.list_repo_refs(order.repo_id, repo_type=order.repo_type)
    except HubError as error:
        if not (dry_run and error.unreachable):
            raise
        return Remote(reached=False)
    return Remote(True, repository, {tag.name: tag.target_commit for tag in refs.tags})


def _carry_out(folder: Path, order: PushOrder, message: str, remote: Remote, push: Push) -> Push:
    """Make the calls of `push`. The commit names its parent, so that two pushes at once cannot mix."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, commit, where = HfApi(), remote.commit, {"repo_id": order.repo_id, "repo_type": order.repo_type}
    url = f"{api.endpoint}/{'' if order.repo_type == 'model' else order.repo_type + 's/'}{order.repo_id}"
    with asking(f"push to {order.repo_id}", order.repo_id):
        if commit is None:
            api.create_repo(**where, private=order.private)
        if push.sent or push.removed:
            operations = [CommitOperationAdd(name, folder / name) for name in push.sent]
            operations += [CommitOperationDelete(name) for name in push.removed]
            made = api.create_commit(
                operations=operations,
                commit_message=message,
                create_pr=order.create_pr,
                parent_commit=commit,
                **where,
            )
            commit, url = made.oid, made.pr_url or made.commit_url
    if order.tag and order.tag not in remote.tags:
        with asking(f"tag {order.repo_id} at {commit[:8]} (its files are published)", order.repo_id):
            api.create_tag(tag=order.tag, revision=commit, **where)
    return replace(push, url=url, commit=commit)

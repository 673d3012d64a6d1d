"""A folder into a Hub repository, as one commit that happens whole or not at all.

Is: the comparison with what is there, the plan, and the commit. What has arrived is not sent twice, a card somebody wrote is kept.
Is not: the choice of what belongs into a repository (`card.py`, `data/`, the Space's deployment).

    for line in push_folder("runs/packed", "user/name", dry_run=True).lines(): print(line)
"""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from medreasoner.hub.errors import HubError, asking
from medreasoner.hub.pull import digest, repository_name

# in a card that this project wrote; without the line it is somebody's own text and is never overwritten
MARKER = "<!-- Written by medreasoner. Take this line out to keep your own text. -->"
STUB = "generated_from_trainer"  # the tag in what transformers and TRL write of themselves
CARD = "README.md"


@dataclass(frozen=True)
class Push:
    """What a push did or, as a dry run, would do.

    Args:
        calls: what the Hub is asked to do, in order.
        notes: what else one should know.
        sent, unchanged, removed: paths in the repository.
        kept: paths that differ there and stay as they are: a card somebody wrote.
        url: page of the commit or pull request; the repository's own where nothing changed; None after a dry run.
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
        marks = (
            ("send", self.sent),
            ("remove", self.removed),
            ("keep theirs", self.kept),
            ("unchanged", self.unchanged),
        )
        files = [f"  {mark:12}{path}" for mark, paths in marks for path in paths]
        return [*self.calls, *files, *self.notes, *([self.url] if self.url else [])]


def push_folder(
    folder: str | Path,
    repo_id: str,
    repo_type: str = "model",
    private: bool = True,
    create_pr: bool = False,
    dry_run: bool = False,
    tag: str | None = None,
    message: str | None = None,
    files: Sequence[str] | None = None,
    prune: Sequence[str] = (),
) -> Push:
    """Bring a repository to the state of a folder with one commit; made if it does not exist. Running it again changes nothing.

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

    Errors: HubError; nothing is published then, except that a new repository may exist, empty, and that a commit may lack its tag.
    """
    folder, order = Path(folder), _Order(repository_name(repo_id), repo_type, private, create_pr, tag)
    names = sorted(files) if files is not None else _all_files(folder)
    if not names:
        raise HubError(f"{folder} holds no file to push")
    if lacking := [name for name in names if not (folder / name).is_file()]:
        raise HubError(f"{folder} holds no file {lacking[0]!r}")
    there = _look(order, dry_run)
    plan = _plan(folder, names, there, prune)
    _refuse(order, there, plan)
    result = Push(*_calls(order, there, plan), *plan, None, there.commit)
    return (
        result
        if dry_run
        else _carry_out(folder, order, message or f"Push {folder.resolve().name}", there, result)
    )


def is_ours(card: str) -> bool:
    """Whether a program wrote this card, so that it may be written anew."""
    return MARKER in card or STUB in card


class _Order(NamedTuple):
    """What was asked for."""

    repo_id: str
    repo_type: str
    private: bool
    create_pr: bool
    tag: str | None


class _There(NamedTuple):
    """The repository now. `commit` is None where there is none yet, `known` False where the Hub could not be reached."""

    known: bool
    commit: str | None = None
    files: dict[str, str] = {}  # path -> the Hub's name of its content
    tags: dict[str, str] = {}  # tag -> commit
    private: bool | None = None
    own_card: bool = False  # whether its card is somebody's own text


class _Plan(NamedTuple):
    sent: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def _all_files(folder: Path) -> list[str]:
    names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(name.as_posix() for name in names if not any(part.startswith(".") for part in name.parts))


def _look(order: _Order, dry_run: bool) -> _There:
    """What the repository holds. Errors: HubError, but a dry run goes on without the Hub."""
    from huggingface_hub import HfApi, hf_hub_download
    from huggingface_hub.errors import RepositoryNotFoundError

    api, repo_id, repo_type = HfApi(), order.repo_id, order.repo_type
    try:
        with asking(f"look at {repo_id}", repo_id):
            try:
                info = api.repo_info(repo_id, repo_type=repo_type, files_metadata=True)
            except RepositoryNotFoundError:
                return _There(known=True)
            tags = {
                tag.name: tag.target_commit for tag in api.list_repo_refs(repo_id, repo_type=repo_type).tags
            }
            files = {each.rfilename: each.lfs.sha256 if each.lfs else each.blob_id for each in info.siblings}
            own = False
            if CARD in files:
                card = hf_hub_download(repo_id, CARD, repo_type=repo_type, revision=info.sha)
                own = not is_ours(Path(card).read_text(encoding="utf-8"))
    except HubError as error:
        if not (dry_run and error.unreachable):
            raise
        return _There(known=False)
    return _There(True, info.sha, files, tags, info.private, own)


def _plan(folder: Path, names: Sequence[str], there: _There, prune: Sequence[str]) -> _Plan:
    same = {name for name in names if name in there.files and _is_same(folder / name, there.files[name])}
    kept = {name for name in names if name == CARD and there.own_card} - same
    removed = {
        path
        for path in there.files
        if path not in names and any(fnmatch.fnmatch(path, pattern) for pattern in prune)
    }
    return _Plan(*(tuple(sorted(group)) for group in (set(names) - same - kept, same, removed, kept)))


def _is_same(path: Path, content: str) -> bool:
    return digest(path, large=len(content) == 64) == content


def _refuse(order: _Order, there: _There, plan: _Plan) -> None:
    """Errors: HubError for what cannot end well, before anything is sent."""
    if order.tag and order.create_pr:
        raise HubError("a tag names a commit of main; give it after the pull request is merged")
    if order.create_pr and there.known and there.commit is None:
        raise HubError(
            f"there is no repository {order.repo_id} yet to make a pull request to; push without it first"
        )
    tagged = there.tags.get(order.tag)
    if tagged and (plan.sent or plan.removed or tagged != there.commit):
        raise HubError(
            f"{order.repo_id} has a tag {order.tag} at {tagged[:8]} already; choose another, or remove that one first"
        )


def _calls(order: _Order, there: _There, plan: _Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the Hub will be asked, and what one should know."""
    calls, notes = [], []
    if there.commit is None:
        calls.append(f"create the {_visible(order.private)} {order.repo_type} repository {order.repo_id}")
    elif there.private != order.private:
        notes.append(
            f"{order.repo_id} is {_visible(there.private)} and stays so; change that in its settings"
        )
    if plan.sent or plan.removed:
        how = "open a pull request with" if order.create_pr else "commit to main:"
        calls.append(f"{how} {len(plan.sent)} files sent, {len(plan.removed)} removed")
    if order.tag and order.tag not in there.tags:
        calls.append(f"tag it {order.tag}")
    if not there.known:
        notes.append("the Hub was not reached, so every file counts as new")
    if plan.kept:
        notes.append(
            f"the {CARD} of {order.repo_id} was not written by medreasoner and is kept; remove it there to have this one"
        )
    return tuple(calls), tuple(notes)


def _visible(private: bool) -> str:
    return "private" if private else "public"


def _carry_out(folder: Path, order: _Order, message: str, there: _There, plan: Push) -> Push:
    """Make the calls of `plan`. The commit names the one it builds on, so that two pushes at once cannot mix."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, commit, where = HfApi(), there.commit, {"repo_id": order.repo_id, "repo_type": order.repo_type}
    url = f"{api.endpoint}/{'' if order.repo_type == 'model' else order.repo_type + 's/'}{order.repo_id}"
    with asking(f"push to {order.repo_id}", order.repo_id):
        if commit is None:
            api.create_repo(**where, private=order.private)
        if plan.sent or plan.removed:
            operations = [CommitOperationAdd(name, folder / name) for name in plan.sent]
            operations += [CommitOperationDelete(name) for name in plan.removed]
            made = api.create_commit(
                operations=operations,
                commit_message=message,
                create_pr=order.create_pr,
                parent_commit=commit,
                **where,
            )
            commit, url = made.oid, made.pr_url or made.commit_url
    if order.tag and order.tag not in there.tags:
        with asking(f"tag {order.repo_id} at {commit[:8]} (its files are published)", order.repo_id):
            api.create_tag(tag=order.tag, revision=commit, **where)
    return replace(plan, url=url, commit=commit)

"""What the loopback Hub of `tests/hub_server.py` keeps: repositories as chains of commits, in memory.

Commits happen whole or not at all, and each holds the full list of its files, unlike git's. Refs, large files
by their hash, and what a Space has besides files are kept too. HTTP is in `hub_wire.py`.
"""

import base64
import fnmatch
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

MAIN = "refs/heads/main"
LARGE = 10 * 2**20  # from this size on a file is stored as LFS, whatever its name
LARGE_NAMES = "*.safetensors *.bin *.pt *.pth *.parquet *.arrow *.npz *.zip *.tar *.gz *.png *.jpg *.jpeg *.nii *.dcm *.model".split()
GITATTRIBUTES = "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in LARGE_NAMES).encode()


class Refusal(Exception):
    """What the Hub answers instead of what was asked: an HTTP status, a sentence, and the code that its
    clients look at.
    """

    def __init__(
        self, status: int, message: str, code: str | None = None, headers: dict[str, str] | None = None
    ):
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers or {}


@dataclass(frozen=True)
class File:
    data: bytes
    lfs: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def pointer(self) -> bytes:
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {len(self.data)}\n".encode()

    @cached_property
    def blob(self) -> str:
        """git's name of what lies in the repository: the file, or the pointer to it."""
        content = self.pointer if self.lfs else self.data
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    @property
    def etag(self) -> str:
        return self.sha256 if self.lfs else self.blob


@dataclass(frozen=True)
class Commit:
    oid: str
    title: str
    description: str
    files: dict[str, File]
    parent: "Commit | None" = None


@dataclass
class Space:
    """A Space besides its files. Each `GET runtime` moves one stage on; the last one stays."""

    sdk: str
    hardware: str | None = None
    sleep_time: int | None = None
    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=lambda: ["BUILDING", "RUNNING_APP_STARTING", "RUNNING"])
    build_log: list[str] = field(
        default_factory=lambda: ["Building the image", "Installing requirements", "Pushing the image"]
    )
    run_log: list[str] = field(default_factory=lambda: ["Running on local URL"])
    host: str | None = None  # where its page answers, if a test runs one


class Repository:
    def __init__(self, kind: str, name: str, private: bool, space: Space | None = None):
        self.kind, self.name, self.private, self.gated, self.space = kind, name, private, False, space
        first = Commit(
            _oid(kind, name), "initial commit", "", {".gitattributes": File(GITATTRIBUTES, lfs=False)}
        )
        self.commits = {first.oid: first}
        self.refs = {MAIN: first.oid}
        self.discussions: list[dict] = []

    def ref(self, revision: str) -> str | None:
        """The full name of a branch, tag or pull request, None if there is none of that name."""
        return next(
            (
                name
                for name in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}")
                if name in self.refs
            ),
            None,
        )

    def at(self, revision: str = "main") -> Commit:
        name = self.ref(revision)
        if name is not None:
            return self.commits[self.refs[name]]
        if re.fullmatch(r"[0-9a-f]{7,40}", revision):
            found = [commit for oid, commit in self.commits.items() if oid.startswith(revision)]
            if len(found) == 1:
                return found[0]
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def file(self, revision: str, path: str) -> tuple[Commit, File]:
        commit = self.at(revision)
        if path not in commit.files:
            raise Refusal(404, "Entry not found", "EntryNotFound")
        return commit, commit.files[path]

    def history(self, revision: str) -> list[Commit]:
        """Newest first."""
        chain, commit = [], self.at(revision)
        while commit is not None:
            chain.append(commit)
            commit = commit.parent
        return chain

    def commit(
        self, revision: str, lines: list[dict], large: dict[str, bytes], create_pr: bool
    ) -> tuple[Commit, int | None]:
        """Apply the lines of a commit request: all of them, or Refusal and nothing.

        Returns the commit and its pull request's number.
        """
        branch = self.ref(revision)
        if branch is None or branch.startswith("refs/tags/"):
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        head = self.at(branch)
        title, description, parent = "", "", None
        files = dict(head.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                title, description = value["summary"], value.get("description", "")
                parent = value.get("parentCommit")
            else:
                _apply(files, line["key"], value, large)
        if parent is not None and not head.oid.startswith(parent) and not create_pr:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        oid = _oid(head.oid, title, *(f"{path} {file.etag}" for path, file in sorted(files.items())))
        made = Commit(oid, title, description, files, head)
        self.commits[made.oid] = made
        if not create_pr:
            self.refs[branch] = made.oid
            return made, None
        number = self.discuss(title, description, pull_request=True)
        self.refs[f"refs/pr/{number}"] = made.oid
        return made, number

    def discuss(self, title: str, description: str, pull_request: bool) -> int:
        number = len(self.discussions) + 1
        self.discussions.append(
            {"num": number, "title": title, "description": description, "isPullRequest": pull_request}
        )
        if pull_request:
            self.refs[f"refs/pr/{number}"] = self.refs[MAIN]
        return number

    def tree(self, revision: str, under: str, recursive: bool) -> list[dict]:
        """Files and folders below `under`, as the Hub lists them."""
        commit, prefix = self.at(revision), under.rstrip("/") + "/" if under else ""
        inside = {path: file for path, file in commit.files.items() if path.startswith(prefix)}
        if under and not inside:
            raise Refusal(404, f"{under} does not exist on {revision}", "EntryNotFound")
        folders = {
            str(parent)
            for path in inside
            for parent in PurePosixPath(path).parents
            if len(str(parent)) >= len(prefix)
        } - {"."}
        rows = [
            {"type": "directory", "oid": _oid(folder), "size": 0, "path": folder}
            for folder in sorted(folders)
        ]
        rows += [described(path, file) for path, file in sorted(inside.items())]
        return [
            row
            for row in rows
            if row["path"].startswith(prefix) and (recursive or "/" not in row["path"][len(prefix) :])
        ]


def described(path: str, file: File) -> dict:
    """A file as the `tree` and `paths-info` answers describe it."""
    row = {"type": "file", "oid": file.blob, "size": len(file.data), "path": path}
    return row | (
        {"lfs": {"oid": file.sha256, "size": len(file.data), "pointerSize": len(file.pointer)}}
        if file.lfs
        else {}
    )


def sibling(path: str, file: File, blobs: bool) -> dict:
    """A file as the repository's own answer describes it."""
    if not blobs:
        return {"rfilename": path}
    row = {"rfilename": path, "size": len(file.data), "blobId": file.blob}
    return row | (
        {"lfs": {"sha256": file.sha256, "size": len(file.data), "pointerSize": len(file.pointer)}}
        if file.lfs
        else {}
    )


def is_large(path: str, size: int) -> bool:
    return size > LARGE or any(fnmatch.fnmatch(PurePosixPath(path).name, pattern) for pattern in LARGE_NAMES)


def parse_lines(body: bytes) -> list[dict]:
    return [json.loads(line) for line in body.splitlines() if line.strip()]


def _apply(files: dict[str, File], key: str, value: dict, large: dict[str, bytes]) -> None:
    """Change `files` as one line of a commit request says; unknown lines change nothing. Errors: Refusal."""
    if key == "file":
        files[value["path"]] = File(base64.b64decode(value["content"], validate=True), lfs=False)
    elif key == "lfsFile":
        if value["oid"] not in large:
            raise Refusal(400, f"LFS pointer pointed to a file that does not exist: {value['path']}")
        files[value["path"]] = File(large[value["oid"]], lfs=True)
    elif key in ("deletedFile", "deletedFolder"):
        below = value["path"].rstrip("/") + "/"
        gone = [path for path in files if path == value["path"] or path.startswith(below)]
        if not gone:
            raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
        for path in gone:
            del files[path]


def _oid(*parts: str) -> str:
    return hashlib.sha1("\0".join(parts).encode()).hexdigest()

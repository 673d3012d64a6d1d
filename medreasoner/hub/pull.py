"""Fetches files of a Hub repository as a local path, checked against the hashes that the Hub gives for them.

Without a network they come from the local cache. What lies in a folder is read by `reasoners/` and
`segmenters/`.
"""

import hashlib
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

from medreasoner.hub.errors import HubError, asking
from medreasoner.json_files import read_json

REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")
SHA1, SHA256 = 40, 64  # hex digits: of git's hash of a small file, and of the hash of a large one
# everything a model folder may hold but weights that run code when they are read (.bin, .pt, .pth)
MODEL_FILES = ["*.safetensors", "*.json", "*.jinja", "*.txt", "*.model", "README.md", "LICENSE*"]
NOT_NEEDED = ["checkpoint-*", "global_step*", "completions/*", "original/*", "onnx/*", "trainer_state.json"]


def fetch_folder(id_or_folder: str | Path, revision: str | None = None) -> Path:
    """The local folder of a model: `id_or_folder` itself if it is a folder, else a snapshot of that Hub
    repository.

    Args:
        id_or_folder: "owner/name" on the Hub, or a path.
        revision: branch, tag or commit of the repository; has no meaning for a folder.

    Errors: HubError.
    """
    folder = Path(id_or_folder).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise HubError(f"{folder} is a file; expected a model's folder or a Hub id")
    repository = repository_name(id_or_folder)
    from huggingface_hub import snapshot_download

    with asking(f"download {repository}", repository, revision):
        snapshot = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=MODEL_FILES, ignore_patterns=NOT_NEEDED
            )
        )
    _verify(snapshot, [path for path in snapshot.rglob("*") if path.is_file()], repository)
    return snapshot


def fetch_file(repository: str, filename: str, revision: str | None = None) -> Path:
    """One file of a Hub repository, as a local path. Errors: HubError."""
    from huggingface_hub import hf_hub_download

    repository = repository_name(repository)
    with asking(f"download {filename} of {repository}", repository, revision, filename):
        path = Path(hf_hub_download(repository, filename, revision=revision))
    _verify(path.parents[filename.count("/")], [path], repository)
    return path


def commit_of(path: Path) -> str | None:
    """The commit from which `fetch_folder` or `fetch_file` gave this path, None for what was here already."""
    snapshot = next((each for each in (path, *path.parents) if each.parent.name == "snapshots"), None)
    return snapshot.name if snapshot and re.fullmatch(r"[0-9a-f]{40}", snapshot.name) else None


def cache_folder() -> Path:
    """The folder for what this project derives from downloads; beside the Hub's own cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HOME) / "medreasoner"


def repository_name(name: str | Path) -> str:
    """`name` if it can be an id on the Hub. Errors: HubError."""
    if not REPOSITORY.fullmatch(str(name)) or str(name).startswith("."):
        raise HubError(
            f"there is no folder {str(name)!r}, and it is no Hub id either; expected a folder or an id like "
            "'owner/name'"
        )
    return str(name)


def _verify(snapshot: Path, files: Sequence[Path], repository: str) -> None:
    """Compare files with the hash that is their name in the cache. Errors: HubError.

    huggingface_hub compares sizes only, and hf_xet 1.8 hands on bytes that have changed in the folder where
    it keeps them (tests/hub_xet.py). A file is read once; `.verified` in the repository's cache folder
    records its size and time. Where the cache has no links (Windows without developer mode) the hash is not
    known here, and nothing is compared.
    """
    record = snapshot.parents[1] / ".verified"
    before = _read_record(record)
    known = dict(before)
    for path in files:
        blob = _blob(path)
        stamp = [blob.stat().st_size, blob.stat().st_mtime_ns]
        if blob.parent.name != "blobs" or known.get(blob.name) == stamp:
            continue
        came = hub_digest(blob, like=blob.name)
        if came != blob.name and len(blob.name) in (SHA1, SHA256):
            # of a file from Xet, what all repositories of the cache share; or it would be taken up again
            blob.resolve().unlink(missing_ok=True)
            blob.unlink(missing_ok=True)
            raise HubError(
                f"{path.name} of {repository} arrived damaged: expected the hash {blob.name[:12]}…, got "
                f"{came[:12]}…. It was removed; "
                "try again, the whole files stay"
            )
        known[blob.name] = stamp
    if known != before:
        _write_record(record, known)


def _read_record(record: Path) -> dict:
    """Blob -> [size, time] of the files that were compared already; nothing where that cannot be read."""
    try:
        return read_json(record)
    except (OSError, ValueError):
        return {}  # its files are compared anew


def _write_record(record: Path, known: dict) -> None:
    """Beside it and renamed: a kill must not leave half a record."""
    fresh = record.with_name(f"{record.name}.{os.getpid()}")
    try:
        fresh.write_text(json.dumps(known), encoding="utf-8")
        os.replace(fresh, record)
    except OSError:
        return  # a cache one may only read; its files are compared anew each time


def _blob(path: Path) -> Path:
    """Where the link `path` in a snapshot leads: blobs/HASH of its repository. (For a file from Xet that is
    itself a link, to a name that is no hash of the content.)
    """
    return Path(os.path.normpath(path.parent / os.readlink(path))) if path.is_symlink() else path


def hub_digest(path: Path, like: str) -> str:
    """The name the Hub gives to a file's content, in hex, of the kind of `like`: the SHA-256 of a large file
    (LFS), else git's blob hash.
    """
    large = len(like) == SHA256
    hashed = hashlib.sha256() if large else hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return hashed.hexdigest()

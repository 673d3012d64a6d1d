"""Converts a pickled weights file to safetensors, once.

The authors of MedSAM2 publish a `.pt`. It is read with torch's tensors-only unpickler and kept as safetensors
under its SHA-256, so that the pickle is opened a single time and, unless anything else is allowed, only if
its hash is the known one. That nothing changed on the way from the Hub is checked by `hub.pull`.
"""

import hashlib
import os
import pickle
from pathlib import Path

import torch
from safetensors.torch import save_file

from medreasoner.messages import first_line
from medreasoner.segmenters.base import SegmenterError


def read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of `{"model": {name: tensor}}`. Only tensors are unpickled. Errors: SegmenterError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model"]
    except pickle.UnpicklingError as error:
        raise SegmenterError(
            f"{path} holds more than tensors, or is no torch file at all; it was not read"
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise SegmenterError(f"the weights {path} cannot be read: {first_line(error)}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SegmenterError(
            f"{path} holds no table of tensors under 'model'; expected the layout of MedSAM2's released "
            "weights"
        )
    return state


def as_safetensors(path: Path, cache: Path, sha256: str | None = None) -> Path:
    """The safetensors copy of `path` in the folder `cache`, made now if need be; `path` itself if nothing can
    be written there.

    Args:
        sha256: what the content of `path` must have; None reads any.

    Errors: SegmenterError, for another hash before anything is unpickled.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 not in (None, digest):
        raise SegmenterError(
            f"{path.name} is not the file that is known by this name: expected the SHA-256 {sha256[:12]}…, "
            f"got {digest[:12]}…. If you "
            "trust it all the same, allow pickles (--allow-pickle, allow_pickle=True); or ask for the known "
            "one's commit by "
            "--segmenter-revision, segmenter_revision="
        )
    converted = cache / f"{digest}.safetensors"
    if converted.exists():
        return converted
    state = {key: value.clone().contiguous() for key, value in read_pickle(path).items()}
    part = cache / f"{digest}.{os.getpid()}.part"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        save_file(state, part, metadata={"format": "pt", "source": path.name, "sha256": digest})
        part.replace(converted)
    except OSError:
        part.unlink(missing_ok=True)
        return path
    return converted

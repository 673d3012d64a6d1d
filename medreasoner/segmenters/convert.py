"""A pickled weights file as safetensors, once.

Is: the `.pt` that the authors of MedSAM2 publish, read with torch's tensors-only unpickler and kept as safetensors under the SHA-256 of
what was read, so that the pickle is opened a single time. Whether it is the file they published is for the Hub's hash to say, which
`hub.pull` compares; no other hash published by them is known here.
Is not: a renaming of keys; that is `sam2_keys.py`.
"""

import hashlib
import os
import pickle
from pathlib import Path

import torch
from safetensors.torch import save_file

from medreasoner.loading import first_line
from medreasoner.segmenter import SegmenterError


def read_pickle(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of `{"model": {name: tensor}}`. Only tensors are unpickled. Errors: SegmenterError."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model"]
    except pickle.UnpicklingError as error:
        raise SegmenterError(f"{path} holds more than tensors, or is no torch file at all; it was not read") from error
    except (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise SegmenterError(f"the weights {path} cannot be read: {first_line(error)}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SegmenterError(f"{path} holds no table of tensors under 'model'; expected the layout of MedSAM2's released weights")
    return state


def as_safetensors(path: Path, cache: Path) -> Path:
    """`path` converted to safetensors in the folder `cache`, where it is kept; `path` itself if nothing can be written there.

    Errors: SegmenterError.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kept = cache / f"{digest}.safetensors"
    if kept.exists():
        return kept
    state = {key: value.clone().contiguous() for key, value in read_pickle(path).items()}
    part = cache / f"{digest}.{os.getpid()}.part"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        save_file(state, part, metadata={"format": "pt", "source": path.name, "sha256": digest})
        part.replace(kept)
    except OSError:
        part.unlink(missing_ok=True)
        return path
    return kept

"""Tiny models (see tests/tiny.py), each made once for all tests of this folder."""

from pathlib import Path

import pytest

from medreasoner.reasoners.registry import load_reasoner
from tests import tiny
from tests.reasoners.small_models import BUILDERS, LIMIT


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    """Per family a random model, one that writes the script, and one that never closes its answer."""
    root = tmp_path_factory.mktemp("models")
    made = {}
    for name, build in BUILDERS.items():
        build(root / name, max_new_tokens=32)
        build(root / f"{name}_script", script=tiny.SCRIPT)
        build(root / f"{name}_loop", script="<think>on and on and", loop=True, max_new_tokens=LIMIT)
    for folder in root.iterdir():
        made[folder.name] = folder
    return made


@pytest.fixture(scope="session")
def load(folders):
    """Load a folder by name, once."""
    loaded = {}

    def get(name: str):
        if name not in loaded:
            loaded[name] = load_reasoner(folders[name], device="cpu")
        return loaded[name]

    return get

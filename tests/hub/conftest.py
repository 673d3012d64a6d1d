"""A loopback Hub, and a small folder to push."""

from pathlib import Path

import pytest

from tests.hub.small_folder import WEIGHTS
from tests.hub_server import Hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        yield hub


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three files: text, a large one, one in a subfolder; and a hidden one, which is left out."""
    made = tmp_path / "folder"
    (made / "segmenter").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(WEIGHTS)
    (made / "segmenter" / "config.json").write_text('{"a": 1}')
    (made / ".hidden").mkdir()
    (made / ".hidden" / "secret").write_text("x")
    return made

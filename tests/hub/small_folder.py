"""The folder that the tests of this folder push and pull: what of it belongs on the Hub, and its content."""

from pathlib import Path

from tests.hub_server import USER

NAME = f"{USER}/model"
WEIGHTS = bytes(range(256)) * 64
SENT = ("config.json", "model.safetensors", "segmenter/config.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SENT}

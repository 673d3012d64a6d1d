"""Large files through hf_xet, as huggingface_hub moves them unless told otherwise: whole both ways, checked,
and refused in a sentence.

Each test is one client in a process of its own, since hf_xet settles where it keeps things when it is first
used.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from medreasoner.hub.push import push_folder
from tests.hub_server import USER, Hub

NAME = f"{USER}/model"
WEIGHTS = bytes(range(256)) * 64
BEGIN = """
import json, os, sys
from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import fetch_folder
from medreasoner.hub.push import push_folder

def attempt(deed, *arguments):
    try:
        return deed(*arguments)
    except HubError as error:
        return {"refused": str(error), "status": error.status, "unreachable": error.unreachable}

folder, name = sys.argv[1:]
"""
THERE_AND_BACK = """
push = push_folder(folder, name)
weights = fetch_folder(name) / "model.safetensors"
print(json.dumps([push.sent, weights.read_bytes().hex()]))
shared = weights.resolve()
os.chmod(shared, 0o644)
shared.write_bytes(bytes([shared.read_bytes()[0] ^ 1]) + shared.read_bytes()[1:])
print(json.dumps(attempt(fetch_folder, name)))
again = (fetch_folder(name) / "model.safetensors").read_bytes().hex()
print(json.dumps([again, shared.parent.parent.name, push_folder(folder, name).sent]))
"""
REFUSED = """
for _ in range(3):
    print(json.dumps(attempt(push_folder, folder, name)))
"""

PULLED = """
print(json.dumps((fetch_folder(name) / "model.safetensors").read_bytes().hex()))
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(WEIGHTS)
    return made


def client(hub: Hub, code: str, folder: Path, home: Path) -> list:
    """What each line that it prints says."""
    environment = hub.environment(home) | {"HF_HUB_DISABLE_XET": "0"}
    run = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(folder), NAME],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_what_goes_through_xet_comes_back_and_is_checked_where_it_is_kept(folder, tmp_path):
    with Hub(xet=tmp_path / "xet") as hub:
        hub.expect(WEIGHTS)
        (sent, came), damaged, (again, place, second) = client(hub, THERE_AND_BACK, folder, tmp_path / "home")
        assert sent == ["config.json", "model.safetensors"] and bytes.fromhex(came) == WEIGHTS
        assert (
            hub.count("xet-write-token")
            and hub.count("xet-read-token")
            and not hub.count("^PUT |lfs/objects")
        )
        assert hub.count("GET .*/resolve/.*safetensors") == 0, "it came from the Hub and not through Xet"
        assert place == "blobs", (
            "hf_xet keeps it elsewhere by now, and what is damaged here may be another copy"
        )
        assert "model.safetensors of tester/model arrived damaged" in damaged["refused"]
        assert bytes.fromhex(again) == WEIGHTS and second == []


def test_a_hub_that_refuses_xet_or_has_none_is_told_in_a_sentence_and_nothing_is_published(folder, tmp_path):
    with Hub() as hub:
        for status in (401, 403):
            hub.fault("xet-write-token", status=status)
        expired, forbidden, none = client(hub, REFUSED, folder, tmp_path / "home")
        assert expired["status"] == 401 and "hf auth login" in expired["refused"]
        assert forbidden["status"] == 403 and "write permission" in forbidden["refused"]
        assert none["status"] == 404 and "set HF_HUB_DISABLE_XET=1" in none["refused"]
        assert hub.files(NAME) == {}


def test_what_a_hub_without_xet_holds_is_pulled_by_a_client_that_has_it(folder, tmp_path, monkeypatch):
    with Hub(redirect=True) as hub:
        with monkeypatch.context() as without:
            hub.connect(without, tmp_path / "ours")
            push_folder(folder, NAME)
        (came,) = client(hub, PULLED, folder, tmp_path / "home")
        assert bytes.fromhex(came) == WEIGHTS

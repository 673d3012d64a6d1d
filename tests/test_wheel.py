"""The wheel: what is in it, and that a new user gets from it to a grounded image, without this repository."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from medreasoner.cli import main
from medreasoner.manifest import EMBEDDED_FOLDER
from tests import clean
from tests.hub_server import USER, Hub

ROOT = Path(__file__).parents[1]
IMAGE = ROOT / "examples" / "cxr_lungs_mc_shenzhen_CHNCXR_0032_0.jpg"
QUESTION = "Which organ fills with air on the left side of this image?"
THREE_LINES = f"""
from medreasoner import MedReasoner
done = MedReasoner.from_pretrained().ground("scan.jpg", {QUESTION!r})
print(done.grounding.box, done.mask.shape, int(done.mask.sum()))
"""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, since a build leaves its folders beside the sources, and takes up what an earlier one left there."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    for name in ("medreasoner", "page", "space", "tests", "train"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def programs(wheel) -> Iterator[Path]:
    """`bin` of an environment that holds the wheel and what it asks for."""
    with clean.environment(sys.executable, str(wheel)) as found:
        yield found


@pytest.fixture
def outside(tmp_path) -> Path:
    """A folder with one image, far from the repository."""
    shutil.copyfile(IMAGE, tmp_path / "scan.jpg")
    return tmp_path


def test_the_wheel_is_the_library_with_its_data_and_nothing_else(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    library = {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "medreasoner").rglob("*") if path.is_file()
    }
    library = {
        name
        for name in library
        if "__pycache__" not in name and (not name.endswith(".md") or "/embedded/" in name)
    }
    assert {name for name in names if ".dist-info/" not in name} == library
    about = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}


def test_three_lines_ground_an_image_without_a_network(programs, outside):
    said = new_user(programs, outside, THREE_LINES, {"HF_HUB_OFFLINE": "1"})
    assert not said.endswith(" 0")


def test_the_lines_on_a_models_card_ground_an_image_with_that_model(programs, outside, monkeypatch):
    """Exactly the text of the card, as it stands on the Hub, by somebody who has the wheel and an image called scan.png."""
    pair = outside / "pair"
    pair.mkdir()
    for path in EMBEDDED_FOLDER.iterdir():
        if path.name != "README.md":  # the shipped card is another; this is what a trained folder looks like
            (pair / path.name).symlink_to(path)
    shutil.copyfile(IMAGE, outside / "scan.png")
    with Hub() as hub:
        with monkeypatch.context() as ours:
            hub.connect(ours, outside / "ours")
            assert main(["push", str(pair), f"{USER}/pair", "--public"]) == 0
        (snippet,) = re.findall(r"```python\n(.*?)```", hub.files(f"{USER}/pair")["README.md"].decode(), re.S)
        settings = {
            key: value
            for key, value in hub.environment(outside / "home", token=None).items()
            if key.startswith("HF_")
        }
        assert re.search(r" \d+ pixels$", new_user(programs, outside, snippet, settings))
        assert hub.count(rf"GET /{USER}/pair/resolve/.*safetensors"), (
            "the weights came from the package, not from the Hub"
        )


def new_user(programs: Path, folder: Path, code: str, settings: dict[str, str]) -> str:
    """What `code` prints in `folder`; it must be the wheel's library that runs."""
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_WAIT_POLICY": "PASSIVE",
        **settings,
    }
    code += "import medreasoner; print(medreasoner.__file__)"
    run = subprocess.run(
        [programs / "python", "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    said, _, home = run.stdout.strip().rpartition("\n")
    assert str(programs.parent) in home
    return said


def test_the_command_starts_in_under_a_second(programs, outside):
    """Of processor time, the best of three, so that what else runs here does not count."""
    seconds = []
    for _ in range(3):
        before = os.times()
        run = subprocess.run(
            [programs / "medreasoner", "--help"], cwd=outside, capture_output=True, text=True, check=True
        )
        after = os.times()
        seconds.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    assert "ground" in run.stdout and min(seconds) < 1

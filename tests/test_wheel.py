"""The wheel: what is in it, and that a new user gets from it to a grounded image, without this repository."""

import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from PIL import Image

from medreasoner.cli import main
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.page.examples import FOLDER, load_examples
from tests import clean
from tests.hub_server import USER, Hub

ROOT = Path(__file__).parents[1]
IMAGE = FOLDER / "cxr_lungs_mc_shenzhen_CHNCXR_0032_0.jpg"
QUESTION = "Which organs fill with air?"
THREE_LINES = f"""
from medreasoner import MedReasoner
done = MedReasoner.from_pretrained().ground("scan.jpg", {QUESTION!r})
print(done.grounding.box, done.mask.shape, int(done.mask.sum()))
"""
PINS = ("--constraint", str(ROOT / "requirements.txt"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built from a copy, since a build leaves its folders beside the sources, and takes up what an earlier
    one left there."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copyfile(ROOT / name, source / name)
    for name in ("medreasoner", "space", "tests", "train"):
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
    """`bin` of an environment that holds the wheel and what it depends on, in the versions of
    requirements.txt, without any extra."""
    with clean.environment(sys.executable, str(wheel), *PINS) as found:
        yield found


@pytest.fixture(scope="module")
def with_page(programs, wheel) -> Path:
    """The same with the extra `page`."""
    clean.add(programs, f"{wheel}[page]", *PINS)
    return programs


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
    notes = {
        name for name in library if name.endswith(".md") and not re.search("/(embedded|examples)/", name)
    }
    library = {name for name in library - notes if "__pycache__" not in name}
    assert {name for name in names if ".dist-info/" not in name} == library
    about = {name.partition(".dist-info/")[2] for name in names if ".dist-info/" in name}
    assert about == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "top_level.txt", "licenses/LICENSE"}


def test_three_lines_ground_an_image_without_a_network(programs, outside):
    said = new_user(programs, outside, THREE_LINES, {})
    assert not said.endswith(" 0")


def test_the_lines_on_a_models_card_ground_an_image_with_that_model(programs, outside, monkeypatch):
    """Exactly the text of the card, as it stands on the Hub, by somebody who has the wheel and an image
    called scan.png."""
    pair = outside / "pair"  # without the shipped card, as training leaves a folder
    shutil.copytree(EMBEDDED_FOLDER, pair, ignore=shutil.ignore_patterns("README.md"))
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
        settings["HF_HUB_OFFLINE"] = "0"
        told = new_user(programs, outside, snippet, settings)
        assert re.search(r" \d+, 'pixels'\)$|^not seen in this image$", told, re.M), "asked of a chest X-ray"
        assert hub.count(rf"GET /{USER}/pair/resolve/.*safetensors"), (
            "the weights came from the package, not from the Hub"
        )


def test_without_the_extra_the_page_says_what_to_install(programs, outside):
    run = subprocess.run(
        [programs / "medreasoner", "demo"],
        cwd=outside,
        env=environment(outside),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and run.stderr.strip().endswith("pip install 'medreasoner[page]'"), run.stderr


def test_with_the_extra_it_serves_the_page_with_its_examples_and_answers(with_page, outside):
    page = subprocess.Popen(
        [with_page / "medreasoner", "demo", "--port", str(free_port())],
        cwd=outside,
        env=environment(outside),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output = iter(page.stdout.readline, "")  # ends where the page does
        address = next((found[0] for line in output if (found := re.search(r"http://\S+", line))), None)
        assert address, "the page did not start"
        with urllib.request.urlopen(address) as answer:
            html = answer.read().decode("utf-8")
        assert all(example.question in html for example in load_examples()), "the examples are not there"
        client = Client(address, verbose=False, analytics_enabled=False)
        grounding, mask = client.predict(handle_file(outside / "scan.jpg"), QUESTION, api_name="/ground")
        assert grounding["found"] and Image.open(mask).size == Image.open(outside / "scan.jpg").size
    finally:
        page.kill()
        page.wait()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def environment(home: Path, **settings: str) -> dict[str, str]:
    """Of a new user, who has nothing of this checkout and no GPU."""
    own = {"PATH": os.defpath, "HOME": str(home), "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
    return {**own, "CUDA_VISIBLE_DEVICES": "", "OMP_WAIT_POLICY": "PASSIVE", **settings}


def new_user(programs: Path, folder: Path, code: str, settings: dict[str, str]) -> str:
    """What `code` prints in `folder`; it must be the wheel's library that runs."""
    code += "import medreasoner; print(medreasoner.__file__)"
    run = subprocess.run(
        [programs / "python", "-c", code],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    said, _, home = run.stdout.strip().rpartition("\n")
    assert str(programs.parent) in home
    return said


def test_the_command_lists_what_it_can_do(programs, outside):
    run = subprocess.run(
        [programs / "medreasoner", "--help"], cwd=outside, capture_output=True, text=True, check=True
    )
    assert "ground" in run.stdout and "demo" in run.stdout

"""A staged Space in an environment made of its own requirements, started as Spaces start it, used in a
browser and by a program.

Its files are read-only, there is no GPU, no `/data` and no Hub, and nothing of this checkout or its
environment is in reach.
"""

import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from medreasoner.page.examples import load_examples
from space import deploy
from space.content import Content
from space.requirements import PYTHON
from space.stage import stage
from tests import clean, hub_server, hub_store
from tests.hub_server import USER, Hub
from tests.visit import expect, new_context, why

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PYTHONS = os.environ.get(
    "SPACE_PYTHONS", PYTHON
).split()  # `make test-space` asks for both that the project supports
# without these, root too is bound by a file's permissions
POWERS = "-dac_override,-dac_read_search,-fowner,-chown"


@pytest.fixture(scope="module")
def staged(tmp_path_factory) -> Iterator[Path]:
    """The folder of a Space with the embedded pair, which may only be read."""
    folder = tmp_path_factory.mktemp("space")
    stage(Content(), folder)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    yield folder
    for path in paths:
        path.chmod(path.stat().st_mode | stat.S_IWUSR)


@pytest.fixture(scope="module", params=PYTHONS)
def python(request, staged) -> Iterator[str]:
    """The interpreter of the Space's environment; where there is no Python of the one version asked for, the
    one that runs the tests."""
    found = clean.python(request.param)
    if found is None and len(PYTHONS) > 1:
        pytest.skip(f"there is no Python {request.param} here")
    with clean.environment(
        found or sys.executable, "--requirement", str(staged / "requirements.txt")
    ) as programs:
        yield str(programs / "python")


def bound() -> list[str]:
    """What to put before a command so that permissions bind it."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("this runs as root and there is no setpriv, so nothing here can be made read-only")
    return ["setpriv", f"--bounding-set={POWERS}", f"--inh-caps={POWERS}", "--"]


@pytest.fixture(scope="module")
def address(staged, python, tmp_path_factory) -> Iterator[str]:
    """The Space, running."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "HOME": str(tmp_path_factory.mktemp("home")),
        "PATH": os.defpath,
        "PYTHONPATH": str(staged),
        "PYTHONUNBUFFERED": "1",
        "SYSTEM": "spaces",
        "SPACE_ID": f"{USER}/space",
        "SPACE_HOST": f"{USER}-space.hf.space",
        "GRADIO_SERVER_NAME": "0.0.0.0",
        "GRADIO_SERVER_PORT": str(port),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_WAIT_POLICY": "PASSIVE",
        "HF_ENDPOINT": "http://127.0.0.1:9",  # nobody answers there
    }
    prefix = bound()
    assert subprocess.run([*prefix, "touch", staged / "new"], stderr=subprocess.DEVNULL).returncode != 0, (
        "the folder can be written to"
    )
    running = subprocess.Popen(
        [*prefix, python, "app.py"],
        cwd=staged,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output = []
        for line in running.stdout:  # ends where the Space does
            output.append(line)
            if "Running on local URL" in line:
                break
        else:
            pytest.fail("the Space did not start:\n" + "".join(output[-30:]))
        threading.Thread(target=running.stdout.read, daemon=True).start()  # so that its pipe never fills
        yield f"http://127.0.0.1:{port}/"
    finally:
        running.kill()
        running.wait()


def test_its_environment_is_its_own_and_has_one_torch(staged, python, request):
    code = "import torch, sys; print(sys.version_info[:2], torch.__version__, torch.__file__)"
    told = subprocess.run(
        [python, "-c", code], capture_output=True, text=True, check=True, env={"PATH": os.defpath}
    ).stdout
    version = request.node.callspec.params["python"]
    assert clean.python(version) is None or f"({version.replace('.', ', ')})" in told
    assert "2.11.0" in told and str(Path(python).parent.parent) in told
    assert not [path for path in staged.rglob("*.py") if '"/data' in path.read_text(encoding="utf-8")]


def test_a_visitor_gets_an_answer_and_a_mask(address, staged, browser):
    example = load_examples(staged / "medreasoner" / "examples")[0]
    context = new_context(browser, viewport={"width": 1280, "height": 900})
    page, complaints, hosts = context.new_page(), [], set()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    page.goto(address)
    expect(page.get_by_text("Research use only. Not for diagnosis.")).to_be_visible()
    page.get_by_role("group", name="Examples").get_by_role("button").first.click()
    expect(page.get_by_label("Question")).to_have_value(example.question)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("status", name="State of the run")).to_have_text("Done")
    why(page)
    expect(page.get_by_role("region", name="Reasoning")).not_to_be_empty()
    expect(page.locator("#viewer .mask path")).to_be_visible()
    context.close()
    assert complaints == []
    assert hosts - {None} == {urlsplit(address).hostname}, "a Space asks nobody else for anything"


def test_the_lines_on_its_card_work_for_a_program(address, staged, tmp_path):
    """Exactly the text of the card, with the Space's address put in, by somebody who has an image called
    scan.png."""
    (snippet,) = re.findall(r"```python\n(.*?)```", (staged / "README.md").read_text(encoding="utf-8"), re.S)
    shutil.copyfile(load_examples(staged / "medreasoner" / "examples")[0].image, tmp_path / "scan.png")
    code = snippet.replace("ADDRESS OF THIS SPACE", address) + "print(len(grounding['box_xyxy']), mask)"
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1].startswith("4 ")


def test_the_deployment_accepts_it_and_it_has_written_nothing_beside_itself(
    address, staged, monkeypatch, tmp_path, capsys
):
    before = {path: path.stat().st_mtime_ns for path in staged.rglob("*")}
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=address))
    with Hub() as hub:
        hub.connect(monkeypatch, tmp_path)
        assert deploy.main([f"{USER}/space"], between=0) == 0
    assert (
        f"asked {load_examples(staged / 'medreasoner' / 'examples')[0].question!r}" in capsys.readouterr().out
    )
    assert {path: path.stat().st_mtime_ns for path in staged.rglob("*")} == before

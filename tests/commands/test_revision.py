"""`--revision` and `--segmenter-revision`, and on a Space their variables, keep a model and its segmenter to
a commit.

python -m pytest tests/commands/test_revision.py
"""

import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from huggingface_hub import HfApi
from PIL import Image

import app
from medreasoner.cli import main
from medreasoner.commands.evaluate import Evaluate
from medreasoner.hub.push import push_folder
from medreasoner.page import serve
from tests import tiny
from tests.hub_server import USER, Hub

MODEL, MASKS = f"{USER}/pair", f"{USER}/masks"


class Commits(NamedTuple):
    """The first commits of both repositories; the newest ones cannot be loaded."""

    model: str
    masks: str


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return tiny.embedded(folder / "pair", tiny.SCRIPT), tiny.segmenter(folder / "masks")


@pytest.fixture
def commits(monkeypatch, tmp_path, folders) -> Commits:
    with Hub() as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        pushed = Commits(
            *(push_folder(folder, name).commit for folder, name in zip(folders, (MODEL, MASKS), strict=True))
        )
        for name in (MODEL, MASKS):
            HfApi().upload_file(path_or_fileobj=b"{}", path_in_repo="config.json", repo_id=name)
        yield pushed


@pytest.fixture
def options(commits) -> dict[str, str]:
    return {
        "model": MODEL,
        "revision": commits.model,
        "segmenter": MASKS,
        "segmenter_revision": commits.masks,
    }


def test_ground_keeps_to_both_commits_and_writes_them_down(commits, options, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)).save(
        tmp_path / "scan.png"
    )
    typed = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
    assert (
        main(
            [
                "ground",
                str(tmp_path / "scan.png"),
                "Where does fluid collect?",
                *typed,
                "--out",
                str(tmp_path / "out"),
            ]
        )
        == 0
    )
    facts = json.loads((tmp_path / "out" / "grounding.json").read_text())
    assert (facts["model_revision"], facts["segmenter_revision"]) == commits


@pytest.mark.parametrize("family", [None, "gpt"])
def test_evaluate_keeps_to_both_commits_also_where_the_family_is_named(commits, options, tmp_path, family):
    reasoner, segmenter = Evaluate(data=str(tmp_path), out=tmp_path, family=family, **options).models()
    assert (reasoner.revision, segmenter.revision) == commits


@pytest.mark.parametrize("which", ["revision", "segmenter_revision"])
@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_page_looks_for_the_revision_it_is_told(options, monkeypatch, capsys, which, how):
    wrong = options | {which: "v9"}
    typed = ["app.py", "--device", "cpu"]
    for name, value in wrong.items():
        if how == "option":
            typed += [f"--{name.replace('_', '-')}", value]
        else:
            monkeypatch.setenv(f"MEDREASONER_{name.upper()}", value)
    monkeypatch.setattr(sys, "argv", typed)
    monkeypatch.setattr(
        serve, "launch", lambda *_, **__: pytest.fail("the page was served with another revision")
    )
    assert app.main() == 2
    assert "v9" in capsys.readouterr().err

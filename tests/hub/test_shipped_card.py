"""The card of the embedded pair: made from measured files alone, and its snippet runs as it stands there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from medreasoner.hub.repository import MARKER
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.prompts import Prompt
from tests.hub.test_publish import measured, score
from train.embedded import card as train_card

ROOT = Path(__file__).parents[2]


def test_the_shipped_pairs_card_is_made_anew_from_measured_files(tmp_path, monkeypatch):
    evaluation = measured(
        tmp_path / "e", Prompt(), fits_best=score(0.7), controls={"prior": {"model_minus_this": score(0.1)}}
    )
    line = {"split": "train", "dataset": "d", "image": "i.png", "case": "d/1", "target": "liver"}
    (tmp_path / "samples.jsonl").write_text(json.dumps(line) + "\n")
    facts = {"dataset": "d", "licence": "CC0", "licence_verified": False, "source": "github:a/b"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(facts) + "\n")
    given = {
        "evaluation": evaluation,
        "data": tmp_path,
        "manifest": tmp_path / "manifest.jsonl",
        "out": tmp_path / "README.md",
    }
    monkeypatch.setattr(
        sys, "argv", ["card", *[part for key, value in given.items() for part in (f"--{key}", str(value))]]
    )
    train_card.main()
    text, shipped = (
        (folder / "README.md").read_text(encoding="utf-8") for folder in (tmp_path, EMBEDDED_FOLDER)
    )
    assert (
        "| **embedded pair** | 0.432 [0.382, 0.482] |" in text
        and "| d | 1 | CC0 | not confirmed | https://github.com/a/b |" in text
    )
    assert (
        text.split("## How it was made")[0].split("## Use it")[1]
        == shipped.split("## How it was made")[0].split("## Use it")[1]
    )
    assert "It was trained on 1 kinds of target" in text
    assert MARKER in text and MARKER in shipped
    limits, runs = (
        ("## Intended use and limits", "not a medical device"),
        ("about 64 minutes", "`paper-base-intended`, 150 steps of 64"),
    )
    for part in (*limits, *runs, "Hardware: 2 cores of an AMD EPYC", "2508.08177"):
        assert part in text and part in shipped, part


def test_the_snippet_of_the_shipped_card_runs(tmp_path):
    """Exactly the text of the card, by somebody who has an image called scan.png and nothing else."""
    text = (EMBEDDED_FOLDER / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(.*?)```", text, re.S)
    listed = json.loads((ROOT / "medreasoner" / "examples" / "examples.json").read_text())
    shutil.copy(
        ROOT
        / "medreasoner"
        / "examples"
        / next(row["image"] for row in listed if row["modality"] == "X-ray"),
        tmp_path / "scan.png",
    )
    run = subprocess.run(
        [sys.executable, "-c", snippet], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"\d+ pixels$", run.stdout.strip())

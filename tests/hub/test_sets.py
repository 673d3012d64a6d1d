"""A set that this project publishes on the Hub, and what its readers then get from there: `datasets`, `load`,
`evaluate` and the model.

How a set is written is in tests/data/publish, how the Hub is read in tests/data/test_hub_dataset.py.
"""

import json
import re
from pathlib import Path

import datasets
import numpy as np
import pytest

from medreasoner import MedReasoner
from medreasoner.cli import main
from medreasoner.data.load import load
from medreasoner.data.publish.columns import features
from medreasoner.hub.push import push_folder
from tests import tiny
from tests.hub_server import USER, Hub
from tests.publish_set import SIZE, draw, same

SET, MODEL = f"{USER}/set", f"{USER}/pair"


@pytest.fixture
def hub(request, monkeypatch, tmp_path):
    with Hub(redirect=getattr(request, "param", True)) as served:
        served.connect(monkeypatch, tmp_path / "home")
        yield served


@pytest.fixture
def folder(hub, tmp_path) -> Path:
    """The set as it lies here; it is on the Hub too."""
    made = draw(tmp_path / "set")
    assert main(["data", "publish", str(made), "--out", str(tmp_path / "out"), "--push-to-hub", SET]) == 0
    return made


@pytest.mark.parametrize("hub", [False, True], ids=["direct", "redirect"], indirect=True)
def test_datasets_gets_pictures_and_truth_whole_and_as_a_stream(hub, folder):
    loaded = datasets.load_dataset(SET)
    assert {split: part.features for split, part in loaded.items()} == {
        "train": features(),
        "validation": features(),
    }
    for split, part in loaded.items():
        ours = list(load(folder, split=split))
        for rows in (part, datasets.load_dataset(SET, split=split, streaming=True)):
            for row, sample in zip(rows, ours, strict=True):
                assert np.array_equal(row["images"][0].convert("RGB"), sample.load_image())
                assert (
                    tuple(row["box"]) == sample.truth().box and row["prompt"][0]["content"] == sample.question
                )
                assert len(row["masks"]) == (sample.mask is not None)
                for mask in row["masks"]:
                    assert np.array_equal(np.asarray(mask) > 0, sample.load_mask())


def test_load_gets_the_same_samples_and_the_model_is_scored_on_them_at_one_commit(
    hub, folder, tmp_path, capsys
):
    commit = hub.repository(SET, "dataset").at().oid
    push_folder(tiny.embedded(tmp_path / "pair", tiny.SCRIPT), MODEL)
    listing = folder / "samples.jsonl"
    before = list(load(folder, split="validation"))
    listing.write_text(listing.read_text().replace('"validation"', '"test"'))
    assert main(["data", "publish", str(folder), "--out", str(tmp_path / "out"), "--push-to-hub", SET]) == 0
    pinned = load(SET, "validation", revision=commit)
    assert all(same(a, b) for a, b in zip(before, pinned, strict=True))
    line = [
        "evaluate",
        "--data",
        SET,
        "--data-revision",
        commit,
        "--split",
        "validation",
        "--model",
        MODEL,
        "--out",
        str(tmp_path / "e"),
    ]
    assert main(line) == 0
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert summary["n"] == 2 and summary["overall"]["mask_dice"] and commit in summary["command"]
    row = datasets.load_dataset(SET, split="validation", revision=commit)[0]
    done = MedReasoner.from_pretrained(MODEL, device="cpu").ground(
        row["images"][0], row["prompt"][0]["content"]
    )
    assert done.mask.shape == SIZE[::-1]
    records = [json.loads(line) for line in (tmp_path / "e" / "records.jsonl").read_text().splitlines()]
    assert done.grounding.box == pytest.approx(records[0]["box"])


def test_the_lines_on_the_sets_card_work(hub, folder, capsys):
    """Exactly the text of the card, with the owner put in, as it says."""
    (snippet,) = re.findall(r"```python\n(.*?)```", hub.files(SET, "dataset")["README.md"].decode(), re.S)
    assert f'"OWNER/{SET.split("/")[1]}"' in snippet
    exec(compile(snippet.replace("OWNER", USER), "card", "exec"), {})
    assert capsys.readouterr().out.count("Grounding(") == 4

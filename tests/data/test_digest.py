"""The digest of a set: the same wherever the set lies, another where anything that is scored changes.

python -m pytest tests/data/test_digest.py
"""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner.data.build.assemble import collect
from medreasoner.data.digest import Named, digest
from medreasoner.data.load import DataError, load
from medreasoner.data.publish.publish_set import publish_set

NAME = "Squares v1"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A built set of four samples: its files, and the stages that `collect` reads."""
    out = tmp_path / "set"
    for name in ("images", "masks", "stages"):
        (out / name).mkdir(parents=True)
    regions, asked = [], []
    for number in range(4):
        mask = np.zeros((30, 40), np.uint8)
        mask[5:15, 4 + number : 20] = 255
        Image.fromarray(mask).save(out / f"masks/{number}.png")
        Image.fromarray(mask).convert("RGB").save(out / f"images/{number}.jpg")
        about = {
            "modality": "CT",
            "category": "spleen",
            "supercategory": "abdomen",
            "case": f"c{number}",
            "dataset": "d",
            "licence": "CC0",
        }
        place = {
            "box": [4 + number, 5, 20, 15],
            "points": [[10, 9], [14, 9]],
            "others": [],
            "source": "s",
            "think": "It is bright.",
        }
        split = "train" if number < 2 else "validation"
        sample = {
            "id": str(number),
            "image": f"images/{number}.jpg",
            "mask": f"masks/{number}.png",
            "question": f"Where {number}?",
        }
        regions.append({"id": str(number), "split": split, "rejects": []})
        asked.append(
            {"id": str(number), "samples": [sample | about | place | {"split": split}], "rejects": []}
        )
    for name, lines in (("1_regions", regions), ("3_questions", asked)):
        (out / f"stages/{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    collect(out, NAME)
    return out


def test_a_built_set_is_known_again_by_its_contents(folder):
    for split in ("train", "validation"):
        samples = list(load(folder, split))
        assert (
            load(folder).named().what(len(samples), digest(random.sample(samples, 2))) == f"{NAME}, {split}"
        ), "in any order"
    assert load(folder).named().what(1, digest(samples[:1])) == f"{NAME}, a part or a changed copy: 1 samples"


def test_the_published_set_has_the_same_name_and_digest(folder, tmp_path):
    publish_set(folder, tmp_path / "out")
    published = load(tmp_path / "out", "validation")
    assert (
        published.named()
        == load(folder).named()
        == Named(NAME, json.loads((folder / "report.json").read_text())["splits"])
    )
    assert published.named().what(2, digest(published)) == f"{NAME}, validation"
    assert f"# {NAME}\n" in (tmp_path / "out" / "README.md").read_text()


def test_whatever_changes_a_score_changes_the_digest(folder, tmp_path):
    samples = list(load(folder, "validation"))
    before = digest(samples)
    Image.new("RGB", (40, 30)).save(tmp_path / "other.png")
    Image.fromarray(np.eye(30, 40, dtype=np.uint8)).save(tmp_path / "mask.png")
    changes = {
        "question": "Where else?",
        "image": tmp_path / "other.png",
        "mask": tmp_path / "mask.png",
        "box": (1.0, 2.0, 3.0, 4.0),
        "points": ((1.0, 2.0), (3.0, 4.0)),
        "id": "other",
    }
    found = [digest([replace(samples[0], **{key: value}), *samples[1:]]) for key, value in changes.items()]
    found += [digest(samples[1:]), digest([replace(samples[0], image=tmp_path / "gone.png"), *samples[1:]])]
    assert len({before, *found}) == len(found) + 1
    assert digest([replace(samples[0], think="Other words.", category="liver"), *samples[1:]]) == before


def test_a_set_without_a_name_has_none_and_a_damaged_report_is_named(folder):
    collect(folder)
    assert load(folder).named() is None
    (folder / "report.json").write_text("{")
    with pytest.raises(DataError, match="report.json is not valid JSON"):
        load(folder).named()
    (folder / "report.json").unlink()
    assert load(folder).named() is None

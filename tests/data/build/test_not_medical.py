"""Pictures that are no medical image: the same for a seed, and always asked for what they do not show.

python -m pytest tests/data/build/test_not_medical.py
"""

import json
import random

import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.absence import NO_QUESTION, NOT_MEDICAL, absent_question
from medreasoner.data.build.not_medical import MODALITY, PREFIX, draw_source, photographs
from medreasoner.data.build.not_medical_pictures import KINDS
from medreasoner.data.load import load
from medreasoner.data.scenes import scene_of, scenes
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import EMBEDDED
from medreasoner.prompts import prompt_for
from train.embedded.endless_rows import Rows
from train.embedded.pictures import load_pictures

SOURCES = {name for name, scene in scenes().items() if not scene.medical}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A set of five pictures of each kind."""
    place = tmp_path_factory.mktemp("drawn")
    assert main(["data", "draw", str(place / "source"), "--number", "5"]) == 0
    assert main(["data", "build", str(place / "source"), "--out", str(place / "set"), "--distinct"]) == 0
    return place / "set"


def test_every_kind_has_a_scene_and_every_scene_a_kind():
    assert {PREFIX + kind for kind in (*KINDS, "photograph")} == SOURCES
    assert all(len(scene_of(name).phrases) >= 3 for name in SOURCES)


def test_the_photograph_is_one_and_only_for_validation(tmp_path):
    shown = list(photographs())
    assert len(shown) == 3 and all(min(picture.size) > 200 for picture in shown)
    draw_source(tmp_path, 1)
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    splits = {row["split"] for row in rows if row["dataset"] == f"{PREFIX}photograph"}
    assert splits == {"validation"}


def test_the_same_seed_gives_the_same_source_and_another_seed_another(tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        draw_source(tmp_path / name, 2, seed)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    same, other = (
        [(tmp_path / "one" / file).read_bytes() == (tmp_path / name / file).read_bytes() for file in files]
        for name in ("two", "three")
    )
    assert all(same) and not all(other)


def test_nothing_is_to_be_marked_in_them_and_the_report_counts_why(built):
    samples = list(load(built, strict=True))
    assert len(samples) > 20 and all(sample.absent for sample in samples)
    assert {sample.modality for sample in samples} == {MODALITY}
    lines = [json.loads(line) for line in (built / "samples.jsonl").read_text().splitlines()]
    assert {line["kind"] for line in lines} == {NOT_MEDICAL, NO_QUESTION}
    report = json.loads((built / "report.json").read_text())["absent"]
    for split in ("train", "validation"):
        of_split = [line for line in lines if line["split"] == split]
        assert sum(report[split].values()) == len(of_split)
        assert report[split][NOT_MEDICAL] == sum(line["kind"] == NOT_MEDICAL for line in of_split)
    asked = {
        text.replace("{side}", side).replace("{image_side}", side)
        for category in categories().values()
        for text in category.held_out
        for side in ("left", "right")
    }
    for line in lines:
        if line["kind"] == NOT_MEDICAL and line["split"] == "validation":
            assert line["question"] in asked, "validation asks in wordings that are held out"


def test_a_question_about_one_names_what_is_not_there():
    table, rng = categories(), random.Random(0)
    for name in sorted(SOURCES):
        drawn = [absent_question(scene_of(name), (), (), table, True, rng) for _ in range(40)]
        asked = [each for each in drawn if each.kind == NOT_MEDICAL]
        assert 20 <= len(asked) < 40 and len({each.name for each in asked}) > 10
        assert all(each.name.lower() in each.think.lower() for each in asked)


def test_training_draws_them_beside_others(built):
    pictures = load_pictures([built])
    assert pictures and not any(picture.targets for picture in pictures)
    rows = Rows(pictures, prompt_for(EMBEDDED), EMBEDDED, turns=4)
    for n in range(20):
        conversations = rows[n]["conversations"]
        assert len(conversations) == 2 and not any(each["present"] for each in conversations)
    Image.open(rows[0]["image"]).verify()

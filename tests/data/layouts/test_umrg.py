"""Rows of the published set: parquet, the raw file, and what they leave open.

python -m pytest tests/data/layouts/test_umrg.py
"""

import json
from pathlib import Path

import numpy as np
import pytest

from medreasoner.data.load import DataError, load
from medreasoner.geometry import mask_to_box
from tests.sets import parquet, png, published, rectangle


def test_a_published_row_becomes_a_sample_in_pixels_of_its_image(tmp_path):
    [sample] = load(parquet(tmp_path / "test.parquet", published()))
    assert sample.id == "covid_1583_X-Ray_chest_left_lung_000.png"
    assert (sample.modality, sample.case, sample.category, sample.supercategory) == (
        "X-Ray",
        "covid_1583",
        "left lung",
        "lung",
    )
    assert sample.question == "Which side is clear?"
    assert sample.box == (140, 210, 420, 420) == mask_to_box(sample.load_mask())
    assert sample.points == ((200, 300), (300, 350))


def test_a_published_folder_is_read_by_split_and_in_parts(tmp_path):
    parquet(tmp_path / "train.parquet", published("x_CT_a_000.png"))
    (tmp_path / "data").mkdir()
    for part in (0, 1):
        parquet(tmp_path / "data" / f"test-{part:05}-of-00002.parquet", published(f"y{part}_ct_a_000.png"))
    assert [s.case for s in load(tmp_path, "test")] == ["y0", "y1"]
    assert [s.case for s in load(tmp_path, "train")] == ["x"]
    assert [s.modality for s in load(tmp_path)] == ["CT"] * 3


def test_a_published_truth_in_the_840_frame_is_rescaled_to_a_smaller_image(tmp_path):
    [sample] = load(parquet(tmp_path / "a.parquet", published(side=420)))
    assert sample.box == (70, 105, 210, 210) == mask_to_box(sample.load_mask())
    assert sample.points == ((100, 150), (150, 175))
    [bare] = load(parquet(tmp_path / "b.parquet", published(side=420, masks=None)))
    assert bare.box == sample.box and bare.mask is None


def test_a_published_truth_in_the_pixels_of_its_own_image_stays(tmp_path):
    truth = {"bbox": [70, 105, 210, 210], "point": [[100, 150], [150, 175]]}
    own = published(side=420, reward_model={"ground_truth": json.dumps(truth)})
    assert next(iter(load(parquet(tmp_path / "a.parquet", own)))).box == (70, 105, 210, 210)
    large = {"bbox_2d": [200, 300, 900, 950], "point_2d": [[300, 400], [500, 600]]}
    beyond = published(side=1024, masks=None, reward_model={"ground_truth": json.dumps(large)})
    assert next(iter(load(parquet(tmp_path / "b.parquet", beyond)))).box == (200, 300, 900, 950)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"images": []}, "no image"),
        ({"images": [{"bytes": b"no picture", "path": None}]}, "its image is no readable picture"),
        ({"prompt": []}, "question must be a text"),
        ({"extra_info": {"id": "x", "supercategory": "", "category": ""}}, "category must be a text"),
        ({"reward_model": {"ground_truth": "{"}}, "ground_truth is not JSON"),
        ({"reward_model": {"ground_truth": "[1]"}}, "ground_truth must be an object"),
        ({"reward_model": {"ground_truth": "{}"}}, "box must be 4 finite numbers"),
        ({"reward_model": None}, "reward_model must be an object, got None"),
        ({"masks": [{"bytes": b"no picture", "path": None}]}, "its mask is no readable picture"),
        (
            {"masks": [{"bytes": png(rectangle(840, 420)), "path": None}]},
            "its mask is 840 x 420 pixels, its image 840 x 840",
        ),
        (
            {"reward_model": {"ground_truth": '{"bbox": [1, 1, 900, 20], "point": [[2, 2], [3, 3]]}'}},
            "reaches out of the 840 x 840 image",
        ),
    ],
)
def test_a_bad_published_row_is_named_and_skipped(tmp_path, changes, reason):
    rows = [published("x_CT_a_000.png", **changes), published("y_CT_a_000.png")]
    loaded = load(parquet(tmp_path / "test.parquet", *rows))
    assert [s.case for s in loaded] == ["y"]
    [skipped] = loaded.skipped
    assert (skipped.file, skipped.row) == ("test.parquet", 1) and reason in skipped.reason


def test_an_id_that_tells_nothing_leaves_the_modality_unknown(tmp_path):
    [sample] = load(parquet(tmp_path / "test.parquet", published("just-a-name.png")))
    assert (sample.modality, sample.case) == ("unknown", "just-a-name.png")


@pytest.mark.parametrize("side", [840, 420])
def test_our_columns_beside_the_published_ones_win(tmp_path, side):
    ours = {"modality": "Ultrasound", "case": "patient 7", "think": "A dark rim."}
    ours |= {"box": [1.0, 2.0, 30.0, 40.0], "points": [[5.0, 6.0], [7.0, 8.0]]}
    [sample] = load(parquet(tmp_path / "test.parquet", published(side=side, **ours)))
    assert (sample.modality, sample.case, sample.think) == ("Ultrasound", "patient 7", "A dark rim.")
    assert sample.box == (1, 2, 30, 40) and sample.points == ((5, 6), (7, 8)), "pixels of the image already"
    assert (sample.category, sample.supercategory) == ("left lung", "lung")


def test_columns_without_lists_are_read_too(tmp_path):
    flat = {
        "id": "x_1_CT_abdomen_spleen_000.png",
        "problem": "Which organ filters blood?",
        "image": {"bytes": png(np.full((840, 840, 3), 9, np.uint8)), "path": None},
        "mask": {"bytes": png(rectangle(840, 840, value=1)), "path": None},
        "bbox_2d": [140, 210, 420, 420],
        "point_2d": [[200, 300], [300, 350]],
        "category": "spleen",
    }
    [sample] = load(parquet(tmp_path / "train.parquet", flat))
    assert (sample.question, sample.modality, sample.case) == ("Which organ filters blood?", "CT", "x_1")
    assert sample.truth().box == mask_to_box(sample.load_mask())


def raw(path: Path, split: str, *entries: dict, side: int = 840) -> Path:
    """UMRGv1/SPLIT as the facts give it (B.3)."""
    for name in ("images", "masks"):
        (path / split / name).mkdir(parents=True)
    (path / split / "images/covid_1583_X-Ray_chest.png").write_bytes(
        png(np.full((side, side, 3), 90, np.uint8))
    )
    (path / split / "masks/covid_1583_X-Ray_chest_left_lung_000.png").write_bytes(
        png(rectangle(side, side, value=1))
    )
    (path / split / "umrg_rl.json").write_text(json.dumps(entries))
    return path


def entry(name: str = "covid_1583_X-Ray_chest_left_lung_000.png", **changes: object) -> dict:
    fields = {
        "id": name,
        "image": "images/covid_1583_X-Ray_chest.png",
        "bbox": [140, 210, 420, 420],
        "point": [[200, 300], [300, 350]],
    }
    return {**fields, "question": "Which side is clear?", "supercategory": "lung", **changes}


def test_the_raw_layout_is_read_by_split_and_whole(tmp_path):
    raw(tmp_path, "train", entry("other_CT_chest_000.png"))
    raw(tmp_path, "test", entry(), side=420)
    [sample] = load(tmp_path, "test")
    assert (sample.category, sample.modality, sample.case) == ("left lung", "X-Ray", "covid_1583")
    assert sample.box == (70, 105, 210, 210) == mask_to_box(sample.load_mask())
    assert sample.mask == tmp_path / "test/masks/covid_1583_X-Ray_chest_left_lung_000.png"
    loaded = load(tmp_path)
    assert [s.id for s in loaded] == [sample.id], (
        "the entry of train has no category and none can be read from its id"
    )
    assert (
        str(loaded.skipped[0])
        == "train/umrg_rl.json, row 1: category must be a text that is not empty, got None"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"bbox": None, "bbox_2d": [140, 210, 420, 420], "point": None, "point_2d": [[200, 300], [300, 350]]},
        {"image": "test/images/covid_1583_X-Ray_chest.png"},
        {"id": "covid_1583_X-Ray_chest_left_lung_000"},
        {"question": None, "prompt": [{"role": "user", "content": "Which side is clear?"}]},
        {"modal": "X-ray"},
    ],
)
def test_the_raw_layouts_variants_mean_the_same(tmp_path, changes):
    [sample] = load(raw(tmp_path, "test", entry(**changes)), "test")
    assert (sample.question, sample.category, sample.modality) == (
        "Which side is clear?",
        "left lung",
        "X-Ray",
    )
    assert sample.truth().box == (140, 210, 420, 420) and sample.load_mask().sum() == 280 * 210


def test_a_raw_entry_without_its_mask_keeps_its_box(tmp_path):
    [sample] = load(raw(tmp_path, "test", entry("covid_1583_X-Ray_chest_right_lung_000.png")) / "test")
    assert sample.mask is None and sample.box == (140, 210, 420, 420) and sample.category == "right lung"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1}', "holds a JSON dict; expected a list"),
        ("[1", "is not JSON"),
        ("[3]", "row 1: the row must be an object, got 3"),
    ],
)
def test_a_raw_file_that_is_no_list_of_objects_is_named(tmp_path, text, reason):
    (tmp_path / "umrg_rl.json").write_text(text)
    with pytest.raises(DataError, match=f"umrg_rl.json.*{reason}"):
        list(load(tmp_path))

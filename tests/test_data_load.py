"""Reading sets of samples: the project's folder, the published parquet files, and what is wrong with their rows.

python -m pytest tests/test_data_load.py
"""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from medreasoner.data.load import DataError, load
from medreasoner.data.sample import Sample, SampleError
from medreasoner.geometry import mask_to_box

WIDTH, HEIGHT = 60, 40


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def rectangle(width: int = WIDTH, height: int = HEIGHT, value: int = 255) -> np.ndarray:
    """A mask with one rectangle in its left upper part: box (w/6, h/4, w/2, h/2)."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 6 : width // 2] = value
    return mask


BOX = (10.0, 10.0, 30.0, 20.0)  # of rectangle()


def row(**changes: object) -> dict:
    fields = {"id": "a", "image": "a.png", "mask": "a_mask.png", "question": "Where does fluid collect?"}
    return {**fields, "modality": "CT", "category": "pleura", "case": "one", **changes}


def folder(path: Path, *lines: dict | str) -> Path:
    """A folder in the project's format with the picture a.png and the mask a_mask.png."""
    path.mkdir(exist_ok=True)
    (path / "a.png").write_bytes(png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8)))
    (path / "a_mask.png").write_bytes(png(rectangle()))
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (path / "samples.jsonl").write_text(text, encoding="utf-8")
    return path


def published(name: str = "covid_1583_X-Ray_chest_left_lung_000.png", side: int = 840, **changes: object) -> dict:
    """A row of the published schema whose truth is the rectangle's."""
    truth = {"bbox_2d": [140, 210, 420, 420], "point_2d": [[200, 300], [300, 350]]}
    fields = {
        "data_source": "umrg",
        "prompt": [{"role": "user", "content": "Which side is clear?"}],
        "images": [{"bytes": png(np.full((side, side, 3), 90, np.uint8)), "path": None}],
        "masks": [{"bytes": png(rectangle(side, side)), "path": None}],
        "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)},
        "extra_info": {"id": name, "supercategory": "lung", "category": "left lung"},
    }
    return {**fields, **changes}


def parquet(path: Path, *rows: dict) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


def test_a_line_becomes_a_sample_whose_truth_is_measured_from_its_mask(tmp_path):
    [sample] = load(folder(tmp_path, row()))
    assert (sample.id, sample.question, sample.modality, sample.category, sample.case) == ("a", row()["question"], "CT", "pleura", "one")
    assert sample.load_image().mode == "RGB" and sample.load_image().size == (WIDTH, HEIGHT)
    assert sample.load_mask().dtype == bool and mask_to_box(sample.load_mask()) == BOX
    truth = sample.truth()
    assert truth.box == BOX
    assert all(sample.load_mask()[int(y), int(x)] for x, y in truth.points)


def test_a_stated_box_and_points_are_taken_as_they_are(tmp_path):
    [sample] = load(folder(tmp_path, row(mask=None, box=[1, 2, 3, 4], points=[[1, 3], [2, 3.5]], others=[[5, 6, 7, 8]])))
    assert sample.truth().box == (1, 2, 3, 4) and sample.truth().points == ((1, 3), (2, 3.5))
    assert sample.others == ((5, 6, 7, 8),)


def test_a_split_selects_its_rows_and_those_that_name_none(tmp_path):
    data = folder(tmp_path, row(id="a", split="train"), row(id="b", split="validation"), row(id="c"))
    assert [s.id for s in load(data)] == ["a", "b", "c"]
    assert [s.id for s in load(data, "validation")] == ["b", "c"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "expected an object, got list"),
        (row(id=7), "id must be a text"),
        (row(question="  "), "question must be a text"),
        ({k: v for k, v in row().items() if k != "case"}, "case must be a text"),
        (row(image="gone.png"), "no file gone.png"),
        (row(mask="gone.png"), "no file gone.png"),
        (row(mask=""), "no mask, so it must have box and points"),
        (row(box=[1, 2, 3]), "box must be 4 finite numbers"),
        (row(box=[1, 2, True, 4]), "box must be 4 finite numbers"),
        (row(box=[1, 2, float("nan"), 4]), "box must be 4 finite numbers"),
        (row(box=[9, 2, 3, 4]), "x1 < x2"),
        (row(points=[[1, 2]]), "points must be two"),
        (row(id="good"), "the id 'good' has come before"),
    ],
)
def test_a_bad_row_is_named_and_skipped_and_strict_stops_at_it(tmp_path, bad, reason):
    data = folder(tmp_path, row(id="good"), "", bad, row(id="last"))
    loaded = load(data)
    assert [s.id for s in loaded] == ["good", "last"]
    [skipped] = loaded.skipped
    assert (skipped.file, skipped.row) == ("samples.jsonl", 3) and reason in skipped.reason
    assert [s.id for s in loaded] == ["good", "last"] and len(loaded.skipped) == 1, "reading again counts anew"
    with pytest.raises(DataError, match="samples.jsonl, row 3"):
        list(load(data, strict=True))


def test_a_set_without_a_usable_row_says_why(tmp_path):
    with pytest.raises(DataError, match="no usable sample of split 'test'$"):
        list(load(folder(tmp_path, row(split="train")), "test"))
    with pytest.raises(DataError, match="1 rows were skipped, the first is samples.jsonl, row 1: no file"):
        list(load(folder(tmp_path, row(image="gone.png"))))


def test_a_source_that_is_no_set_says_what_was_expected(tmp_path):
    with pytest.raises(DataError, match="expected a .parquet file or a folder with samples.jsonl or test.parquet.*not there"):
        load(tmp_path / "gone", "test")
    with pytest.raises(DataError, match="which has neither"):
        load(tmp_path)
    (tmp_path / "half.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="no whole parquet file"):
        list(load(tmp_path / "half.parquet"))


def test_masks_of_0_and_1_and_of_0_and_255_and_palettes_are_the_same(tmp_path):
    palette = Image.fromarray(rectangle(value=1))
    palette.putpalette([0, 0, 0, 255, 0, 0])
    file = io.BytesIO()
    palette.save(file, "PNG")
    colour = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    colour[..., 1] = rectangle()
    for mask in (png(rectangle(value=1)), png(rectangle()), png(rectangle() > 0), file.getvalue(), png(colour)):
        sample = Sample("a", b"", mask, "?", "CT", "c", "one")
        assert (sample.load_mask() == (rectangle() > 0)).all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (png(rectangle(value=3)), "it holds"),
        (b"no picture", "no readable picture"),
        (png(rectangle())[:60], "no readable picture"),
        (None, "has no mask"),
    ],
)
def test_a_mask_that_is_none_is_an_error_that_names_the_sample(mask, message):
    with pytest.raises(SampleError, match=f"'a'.*{message}"):
        Sample("a", b"", mask, "?", "CT", "c", "one").load_mask()


def test_an_empty_mask_has_no_truth():
    with pytest.raises(SampleError, match="empty"):
        Sample("a", b"", png(rectangle(value=0)), "?", "CT", "c", "one").truth()


def test_a_published_row_becomes_a_sample_in_pixels_of_its_image(tmp_path):
    [sample] = load(parquet(tmp_path / "test.parquet", published()))
    assert sample.id == "covid_1583_X-Ray_chest_left_lung_000.png"
    assert (sample.modality, sample.case, sample.category, sample.supercategory) == ("X-Ray", "covid_1583", "left lung", "lung")
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
        ({"prompt": []}, "content must be a text"),
        ({"extra_info": {"id": "x", "supercategory": "", "category": ""}}, "category must be a text"),
        ({"reward_model": {"ground_truth": "{"}}, "ground_truth is not JSON"),
        ({"reward_model": {"ground_truth": "[1]"}}, "ground_truth must be an object"),
        ({"reward_model": {"ground_truth": "{}"}}, "box must be 4 finite numbers"),
        ({"reward_model": None}, "ground_truth must be a text"),
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

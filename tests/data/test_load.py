"""Reading sets of samples: what is wrong with their rows, which layout is read, how much memory it takes.

python -m pytest tests/data/test_load.py
"""

import json
import subprocess
import sys
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from medreasoner.data.load import DataError, load
from medreasoner.geometry import mask_to_box
from tests.sets import BOX, HEIGHT, WIDTH, folder, parquet, png, published, rectangle, row

LONG = "x" * 60_000


def test_a_line_becomes_a_sample_whose_truth_is_measured_from_its_mask(tmp_path):
    [sample] = load(folder(tmp_path, row()))
    assert (sample.id, sample.question, sample.modality, sample.category, sample.case) == (
        "a",
        row()["question"],
        "CT",
        "pleura",
        "one",
    )
    assert sample.load_image().mode == "RGB" and sample.load_image().size == (WIDTH, HEIGHT)
    assert sample.load_mask().dtype == bool and mask_to_box(sample.load_mask()) == BOX
    truth = sample.truth()
    assert truth.box == BOX
    assert all(sample.load_mask()[int(y), int(x)] for x, y in truth.points)


def test_a_stated_box_and_points_are_taken_as_they_are(tmp_path):
    [sample] = load(
        folder(tmp_path, row(mask=None, box=[1, 2, 3, 4], points=[[1, 3], [2, 3.5]], others=[[5, 6, 7, 8]]))
    )
    assert sample.truth().box == (1, 2, 3, 4) and sample.truth().points == ((1, 3), (2, 3.5))
    assert sample.others == ((5, 6, 7, 8),)


def test_a_split_selects_its_rows_and_those_that_name_none(tmp_path):
    data = folder(tmp_path, row(id="a", split="train"), row(id="b", split="validation"), row(id="c"))
    assert [s.id for s in load(data)] == ["a", "b", "c"]
    assert [s.id for s in load(data, "validation")] == ["b", "c"]


@pytest.mark.parametrize(
    "bad",
    [
        *({key: LONG} for key in ("id", "modality", "category", "case", "supercategory", "target", "side")),
        *({key: LONG} for key in ("image", "mask", "box", "points", "others", "absent")),
        {"modality": [LONG]},
        {"image": [LONG]},
        {"question": {LONG: LONG}},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_names_of_60000_letters_are_refused_and_are_not_in_the_message(tmp_path, bad):
    loaded = load(folder(tmp_path, row(id="good"), row(**bad)))
    assert [sample.id for sample in loaded] == ["good"]
    [skipped] = loaded.skipped
    assert next(iter(bad)) in f"{skipped} image mask" and len(str(skipped)) < 260


def test_a_header_of_60000_letters_is_not_in_the_message(tmp_path):
    (tmp_path / "metadata.csv").write_text(f"{LONG},question\n1,2\n")
    with pytest.raises(DataError) as refusal:
        list(load(tmp_path))
    assert "has no image" in str(refusal.value) and len(str(refusal.value)) < 600


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{not json", "not JSON"),
        ("[1, 2]", "must be an object, got [1, 2]"),
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
    assert [s.id for s in loaded] == ["good", "last"] and len(loaded.skipped) == 1, (
        "reading again counts anew"
    )
    with pytest.raises(DataError, match="samples.jsonl, row 3"):
        list(load(data, strict=True))


def test_a_set_without_a_usable_row_says_why(tmp_path):
    with pytest.raises(DataError, match="no usable sample of split 'test'$"):
        list(load(folder(tmp_path, row(split="train")), "test"))
    with pytest.raises(DataError, match="1 rows were skipped, the first is samples.jsonl, row 1: no file"):
        list(load(folder(tmp_path, row(image="gone.png"))))


def test_a_source_that_is_no_set_says_what_was_expected(tmp_path):
    with pytest.raises(
        DataError, match="there is no file or folder .*gone, and it is no id of a dataset on the Hub"
    ):
        load(tmp_path / "gone", "test")
    with pytest.raises(
        DataError,
        match=r"expected a folder with one of samples.jsonl, test.parquet, .*umrg_rl.json.*, which has none$",
    ):
        load(tmp_path, "test")
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(DataError, match="expected a folder or a file .jsonl, .parquet, .json, .csv, got"):
        load(tmp_path / "notes.txt")
    with pytest.raises(DataError, match="a revision belongs to a dataset on the Hub"):
        load(tmp_path, revision="main")


def test_a_folder_of_sets_names_them(tmp_path):
    for name in ("U_MRG_6k", "U_MRG_14k"):
        (tmp_path / name).mkdir()
        parquet(tmp_path / name / "test.parquet", published())
    with pytest.raises(DataError, match="none; U_MRG_14k, U_MRG_6k in it may be meant"):
        load(tmp_path, "test")
    assert len(list(load(tmp_path / "U_MRG_6k", "test"))) == 1


def test_a_file_of_a_set_may_be_named_itself(tmp_path):
    data = folder(tmp_path, row(split="train"))
    assert [s.id for s in load(data / "samples.jsonl", "train")] == ["a"]


@pytest.mark.parametrize("broken", [b"PAR1 and no more", b"", b"\0" * 4000])
def test_a_file_that_is_no_parquet_is_named(tmp_path, broken):
    (tmp_path / "half.parquet").write_bytes(broken)
    with pytest.raises(DataError, match="half.parquet is no whole parquet file"):
        list(load(tmp_path / "half.parquet"))


def test_a_parquet_file_that_lost_its_middle_stops_the_reading(tmp_path):
    one = published()
    path = parquet(
        tmp_path / "train.parquet",
        *({**one, "extra_info": {"id": f"x{n}_CT_a_000.png", "category": "a"}} for n in range(40)),
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    path.write_bytes(data)
    with pytest.raises(DataError, match="cannot be read|no whole parquet"):
        list(load(path))


def test_our_own_parquet_is_read_by_the_same_fields_as_a_line(tmp_path):
    picture, mask = (
        {"bytes": png(array), "path": None}
        for array in (np.full((HEIGHT, WIDTH, 3), 90, np.uint8), rectangle())
    )
    one = row(
        id="one",
        image=picture,
        mask=mask,
        split="train",
        think="Bright.",
        others=[[1.0, 2.0, 3.0, 4.0]],
        points=None,
        box=None,
    )
    two = row(
        id="two",
        image={"bytes": None, "path": "a.png"},
        mask=None,
        split="test",
        box=[1.0, 2.0, 3.0, 4.0],
        points=[[1.0, 2.0]] * 2,
    )
    folder(tmp_path).joinpath("samples.jsonl").unlink()
    parquet(tmp_path / "set.parquet", one, two)
    first, second = load(tmp_path)
    assert first.truth().box == BOX and first.others == ((1, 2, 3, 4),) and first.think == "Bright."
    assert second.truth().box == (1, 2, 3, 4) and second.image == tmp_path / "a.png" and second.mask is None
    assert [s.id for s in load(tmp_path / "set.parquet", "test")] == ["two"]


def test_what_datasets_writes_is_read(tmp_path):
    features = datasets.Features(
        {key: datasets.Value("string") for key in ("id", "question", "modality", "category", "case")}
    )
    features |= {"image": datasets.Image(), "mask": datasets.Image()}
    drawn = {"image": Image.new("RGB", (WIDTH, HEIGHT)), "mask": Image.fromarray(rectangle())}
    made = datasets.Dataset.from_list([row(**drawn)], features=features)
    made.to_parquet(tmp_path / "train.parquet")
    [sample] = load(tmp_path, "train")
    assert sample.truth().box == BOX and sample.load_image().size == (WIDTH, HEIGHT)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2000, 2000) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["content", "bytes", "path", "id"]), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = [
    *row(),
    "box",
    "points",
    "others",
    "split",
    "think",
    "prompt",
    "images",
    "masks",
    "extra_info",
    "reward_model",
    "bbox",
    "point_2d",
]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), ANYTHING))
@pytest.mark.parametrize("name", ["samples.jsonl", "umrg_rl.json"])
def test_whatever_a_row_holds_it_is_a_sample_or_named(tmp_path, name, changes):
    data = folder(tmp_path, json.dumps({**row(id="x"), **changes}), json.dumps(row(id="last")))
    if name != "samples.jsonl":
        lines = data.joinpath("samples.jsonl").read_text().splitlines()
        data.joinpath(name).write_text(f"[{','.join(lines)}]")
    loaded = load(data / name)
    samples = list(loaded)
    assert samples[-1].id == "last" and len(samples) + len(loaded.skipped) == 2


MEMORY = """
import re, sys
from pathlib import Path
from medreasoner.data.load import load

def peak(path):
    for sample in load(path):
        assert sample.load_image().size == (400, 400) and sample.load_mask().any()
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024

print(peak(sys.argv[1]), peak(sys.argv[2]))
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(),
    reason="reads the peak of a process from /proc, which only Linux has",
)
def test_memory_does_not_grow_with_the_set(tmp_path):
    noise = np.random.default_rng(0)
    pictures = [png(noise.integers(0, 256, (400, 400, 3), np.uint8)) for _ in range(4)]
    mask = png(rectangle(400, 400))

    def write(name: str, count: int) -> str:
        rows = [row(id=str(n), image={"bytes": pictures[n % 4]}, mask={"bytes": mask}) for n in range(count)]
        table = pa.Table.from_pylist(
            rows
        )  # one row group, as pandas writes: the reader must not need it whole
        pq.write_table(table, tmp_path / name, use_dictionary=False, compression="none", write_batch_size=8)
        return str(tmp_path / name)

    files = [write("few.parquet", 64), write("many.parquet", 240)]
    megabytes = (tmp_path / "many.parquet").stat().st_size >> 20
    run = subprocess.run([sys.executable, "-c", MEMORY, *files], capture_output=True, text=True, timeout=500)
    assert run.returncode == 0, run.stderr
    few, many = map(int, run.stdout.split())
    assert megabytes > 100 and many - few < 40, (
        f"{few} MB for 64 rows, {many} MB for 240 rows of {megabytes} MB"
    )

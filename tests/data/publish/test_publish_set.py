"""A set for the Hub: what is written is read back as the same samples, by this project and by `datasets`.

python -m pytest tests/data/publish/test_publish_set.py
"""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.digest import digest
from medreasoner.data.load import DataError, load
from medreasoner.data.publish.columns import features
from medreasoner.data.publish.publish_set import publish_set
from medreasoner.data.publish.reviews import ACCEPT, EDIT, REJECT, Ledger
from medreasoner.data.sample import Sample
from tests.hub_server import Hub
from tests.publish_set import SIZE, draw, draw_absent, picture, same


@pytest.fixture
def folder(tmp_path) -> Path:
    return draw(tmp_path / "set")


def rows(out: Path) -> list[dict]:
    return [
        row for path in sorted((out / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]


@pytest.mark.parametrize("split,count", [("train", 4), ("validation", 2)])
def test_what_is_published_is_read_back_as_the_same_samples(folder, tmp_path, split, count):
    publish_set(folder, tmp_path / "out")
    before, after = (list(load(place, split=split, strict=True)) for place in (folder, tmp_path / "out"))
    assert len(after) == count and all(same(a, b) for a, b in zip(before, after, strict=True))


def test_questions_about_what_is_not_there_are_published_counted_and_read_back(tmp_path):
    folder, out = draw_absent(tmp_path / "set"), tmp_path / "out"
    report = publish_set(folder, out)
    assert report["samples"] == {"train": 5, "validation": 3} and report["skipped"] == []
    for split in ("train", "validation"):
        before, after = (list(load(place, split=split, strict=True)) for place in (folder, out))
        assert len(after) == len(before) and all(same(a, b) for a, b in zip(before, after, strict=True))
        assert digest(after) == digest([as_stored(a, b) for a, b in zip(before, after, strict=True)])
    (row,) = [row for row in rows(out) if row["extra_info"]["id"] == "s0_absent"]
    assert (row["absent"], row["kind"], row["target"]) == (True, "cannot show", "part 7")
    assert row["box"] is None and row["points"] is None and row["masks"] == []
    assert json.loads(row["reward_model"]["ground_truth"]) == {"bbox_2d": None, "point_2d": None}
    card = (out / "README.md").read_text()
    for line in ("| cannot show | 1 | 0 |", "| no question | 0 | 1 |", "- Samples without a mask: 1."):
        assert line in card, line


def as_stored(sample: Sample, published: Sample) -> Sample:
    """`sample` with the published image and, where something is there, box and points stated as published."""
    truth = {} if sample.absent else {"box": sample.truth().box, "points": sample.truth().points}
    return replace(sample, image=published.image, **truth)


def test_reviewed_absences_are_published_with_their_edits(tmp_path):
    folder, anna = draw_absent(tmp_path / "set"), Ledger(tmp_path / "set", "anna")
    absent = [sample for sample in load(folder) if sample.absent]
    anna.record(absent[0], EDIT, question="And here?", think="No.")
    anna.record(absent[1], REJECT, reason="question unclear")
    publish_set(folder, tmp_path / "out", reviewed=True)
    (after,) = load(tmp_path / "out")
    assert (after.absent, after.question, after.think) == (True, "And here?", "No.")


def test_rows_have_the_published_columns(folder, tmp_path):
    publish_set(folder, tmp_path / "out")
    row = rows(tmp_path / "out")[0]
    assert list(row)[:6] == ["data_source", "prompt", "images", "masks", "reward_model", "extra_info"]
    assert row["data_source"] == "umrg" and row["prompt"] == [
        {"role": "user", "content": "What grows here, 0?"}
    ]
    assert row["extra_info"] == {"id": "s0", "supercategory": "neoplasm", "category": "part 0"}
    truth = json.loads(row["reward_model"]["ground_truth"])
    assert truth["bbox_2d"] == [8, 8, 24, 20] and len(truth["point_2d"]) == 2
    with Image.open(io.BytesIO(row["masks"][0]["bytes"])) as mask:
        assert mask.mode == "L" and mask.size == SIZE and set(np.unique(mask)) == {0, 255}
    assert (row["licence"], row["source"], row["review"]) == ("CC0", "this test", "not reviewed")


def test_datasets_reads_pictures_and_the_card_names_the_features(folder, tmp_path):
    import datasets

    publish_set(folder, tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in loaded.items()} == {"train": 4, "validation": 2}
    assert loaded["train"].features == features()
    assert loaded["train"][0]["images"][0].size == SIZE
    card = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert {entry["split"]: entry["path"] for entry in front["configs"][0]["data_files"]} == {
        "train": "data/train-*",
        "validation": "data/validation-*",
    }
    assert datasets.Features._from_yaml_list(front["dataset_info"]["features"]) == features()


def test_only_what_was_reviewed_and_not_rejected_is_published_with_its_edits(folder, tmp_path):
    anna, ben = Ledger(folder, "anna"), Ledger(folder, "ben")
    zero, one, two, three, *_ = load(folder)
    for book, sample in ((anna, zero), (ben, zero), (anna, one), (ben, three)):
        book.record(sample, ACCEPT)
    ben.record(one, REJECT, reason="question unclear")
    anna.record(two, EDIT, question="What is there?", think="Something.")
    report = publish_set(folder, tmp_path / "out", reviewed=True)
    assert report["left_out"] == {"rejected": 1, "not reviewed": 2} and report["samples"] == {
        "train": 2,
        "validation": 1,
    }
    after = {sample.id: sample for sample in load(tmp_path / "out")}
    assert set(after) == {"s0", "s2", "s3"}
    assert (after["s2"].question, after["s2"].think) == ("What is there?", "Something.")
    told = {row["extra_info"]["id"]: row["review"] for row in rows(tmp_path / "out")}
    assert told == {"s0": "accepted", "s2": "edited", "s3": "accepted"}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "2 people looked at the samples" in card and "1 rejected" in card and "kappa 0.00" in card


def test_the_same_set_gives_the_same_bytes_and_replaces_the_old_files(folder, tmp_path):
    publish_set(folder, tmp_path / "out")
    (tmp_path / "out" / "data" / "test-00000-of-00001.parquet").write_bytes(b"of an earlier time")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    publish_set(folder, tmp_path / "out")
    after = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert set(before) - set(after) == {"test-00000-of-00001.parquet"} and all(
        after[name] == before[name] for name in after
    )


def test_another_folder_is_never_written_over(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="something else"):
        publish_set(folder, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_a_split_that_the_hub_cannot_name_is_refused(folder, tmp_path):
    listing = folder / "samples.jsonl"
    listing.write_text(listing.read_text().replace('"validation"', '"../validation"'))
    with pytest.raises(DataError, match="s2.*'../validation'"):
        publish_set(folder, tmp_path / "out")


def test_the_command_names_skipped_rows_and_says_what_it_wrote(folder, tmp_path, capsys):
    (folder / "2.jpg").unlink()
    Ledger(folder, "anna").record(next(iter(load(folder))), ACCEPT)
    assert main(["data", "publish", str(folder), "--out", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "4 train, 1 validation" in out and "no file 2.jpg" in err and "--reviewed" in err
    assert "could not be used and are left out: 1." in (tmp_path / "out" / "README.md").read_text()
    assert main(["data", "publish", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert main(["data", "publish", str(folder), "--out", str(tmp_path / "out"), "--private"]) == 2


def test_a_pushed_set_is_read_from_the_hub_and_a_second_push_removes_old_files(
    folder, tmp_path, monkeypatch, capsys
):
    command = [
        "data",
        "publish",
        str(folder),
        "--out",
        str(tmp_path / "out"),
        "--push-to-hub",
        "tester/set",
        "--private",
    ]
    with Hub() as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        assert main(command) == 0
        assert hub.repository("tester/set", "dataset").private
        files = hub.files("tester/set", "dataset")
        assert {
            "README.md",
            "data/train-00000-of-00001.parquet",
            "figures/samples.png",
        } <= set(files)
        after = list(load("tester/set", split="validation"))
        assert all(same(a, b) for a, b in zip(load(folder, split="validation"), after, strict=True))
        listing = folder / "samples.jsonl"
        listing.write_text(listing.read_text().replace('"validation"', '"train"'))
        assert main(command) == 0
        assert [name for name in hub.files("tester/set", "dataset") if name.endswith(".parquet")] == [
            "data/train-00000-of-00001.parquet"
        ]
        hub.fault(r"POST .*/commit/", status=503, times=99)
        listing.write_text(listing.read_text().replace("grows", "shines"))
        capsys.readouterr()
        assert main(command) == 1
        assert f"The set is whole in {tmp_path / 'out'}" in capsys.readouterr().err


def test_an_error_leaves_the_earlier_publication_as_it_was(folder, tmp_path):
    publish_set(folder, tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    with pytest.raises(DataError, match="nothing to publish: 6 not reviewed"):
        publish_set(folder, tmp_path / "out", reviewed=True)
    change_row(folder, 5, split="no/split")
    with pytest.raises(DataError, match="the split of sample"):
        publish_set(folder, tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


def test_samples_that_cannot_be_read_are_skipped_and_counted(folder, tmp_path):
    (folder / "4_mask.png").write_bytes(b"no picture")
    (folder / "3_mask.png").write_bytes((folder / "3_mask.png").read_bytes()[:60])
    (folder / "1.jpg").write_bytes((folder / "1.jpg").read_bytes()[:100])
    report = publish_set(folder, tmp_path / "out")
    assert report["samples"] == {"train": 1, "validation": 2} and len(report["skipped"]) == 3
    assert [line.split(":")[0] for line in report["skipped"]] == ["sample 's1'", "sample 's3'", "sample 's4'"]
    card = (tmp_path / "out/README.md").read_text()
    assert "could not be used and are left out: 3." in card
    assert {sample.id for sample in load(tmp_path / "out")} == {"s0", "s2", "s5"}


# --- nothing from outside of the folder ---


@pytest.fixture
def secret(tmp_path) -> Path:
    """An image beside the folder, which nobody meant to publish."""
    picture(9).save(tmp_path / "secret.jpg")
    return tmp_path / "secret.jpg"


def change_row(folder: Path, number: int, **changes: object) -> None:
    lines = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
    lines[number] |= changes
    (folder / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def published_bytes(out: Path) -> bytes:
    return b"".join(row["images"][0]["bytes"] for row in rows(out))


@pytest.mark.parametrize("way", ["up", "absolute", "link", "linked folder"])
def test_a_row_that_leads_out_of_the_folder_is_refused(folder, tmp_path, secret, way):
    name = {
        "up": "../secret.jpg",
        "absolute": str(secret),
        "link": "1.jpg",
        "linked folder": "in/secret.jpg",
    }[way]
    if way == "link":
        (folder / "1.jpg").unlink()
        (folder / "1.jpg").symlink_to(secret)
    if way == "linked folder":
        (folder / "in").symlink_to(tmp_path)
    change_row(folder, 1, image=name)
    report = publish_set(folder, tmp_path / "out")
    (skipped,) = report["skipped"]
    assert skipped.startswith("samples.jsonl, row 2: ") and "leads out of the folder" in skipped
    assert secret.read_bytes() not in published_bytes(tmp_path / "out")
    assert {sample.id for sample in load(tmp_path / "out")} == {"s0", "s2", "s3", "s4", "s5"}


def test_a_mask_that_leads_out_of_the_folder_is_refused(folder, tmp_path):
    (folder / "1_mask.png").rename(tmp_path / "mask.png")
    change_row(folder, 1, mask="../mask.png")
    assert len(publish_set(folder, tmp_path / "out")["skipped"]) == 1


@pytest.mark.parametrize("name", ["samples.jsonl", "report.json", "reviews/anna.jsonl"])
def test_a_list_that_is_a_link_out_of_the_folder_is_refused(folder, tmp_path, name):
    (folder / "reviews").mkdir()
    (folder / name).unlink(missing_ok=True)
    (tmp_path / "elsewhere").write_text("{}")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="leads out of"):
        publish_set(folder, tmp_path / "out")


def test_links_within_the_folder_and_a_linked_folder_are_fine(folder, tmp_path):
    (folder / "1.jpg").rename(folder / "one.jpg")
    (folder / "1.jpg").symlink_to(folder / "one.jpg")
    (tmp_path / "linked").symlink_to(folder)
    assert publish_set(tmp_path / "linked", tmp_path / "out")["skipped"] == []


def test_links_in_the_output_are_never_written_through(folder, tmp_path):
    publish_set(folder, tmp_path / "out")
    (tmp_path / "precious.txt").write_text("mine")
    (tmp_path / "out/report.json").symlink_to(tmp_path / "precious.txt")
    with pytest.raises(DataError, match="report.json is a link"):
        publish_set(folder, tmp_path / "out")
    assert (tmp_path / "precious.txt").read_text() == "mine"

"""The manifest of a source: its rows in order, what is wrong with them, and the split of each case."""

import json
from pathlib import Path

import pytest

from medreasoner.data.build.manifest import Item, split_of
from medreasoner.data.build.source_files import Options, SourceError
from medreasoner.data.build.sources import open_source
from tests.data.build.test_builder import ROWS, build, lines, rewrite, source

SPLEEN = Options(labels={1: "spleen"}, modality="CT", licence="CC0")


def items(folder: Path, tmp_path: Path, options: Options = SPLEEN) -> list[Item]:
    return list(open_source(folder, tmp_path / "out", options))


def test_a_manifest_is_read_with_what_is_kept_for_evaluation_first(tmp_path):
    source(tmp_path / "src", ROWS)
    found = items(tmp_path / "src", tmp_path)
    assert [(item.id, item.split) for item in found][:2] == [
        ("own/a", "validation"),
        ("mammo_mias/d", "train"),
    ]
    assert found[0].classes == ((1, "colorectal polyp"),) and found[0].licence == "CC0"


@pytest.mark.parametrize(
    "change,said",
    [
        ({"targets": [{"name": "polyp"}]}, "row 1: expected id, image, mask"),
        ({"modality": ""}, "row 1: 'own/a' has no modality"),
        ({"image": "images/none.png"}, "row 1: there is no file"),
        ({"image": "../secret.png"}, r"row 1: .*secret\.png leads out of"),
        ({"mask": "/etc/hosts"}, "row 1: /etc/hosts leads out of"),
        ({"image": "images/link.png"}, r"row 1: .*link\.png leads out of"),
        ({"id": "own/b"}, "row 2: the id 'own/b' has come before"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, change, said):
    source(tmp_path / "src", ROWS)
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "src/images/link.png").symlink_to(tmp_path / "secret.png")
    rewrite(tmp_path / "src", a=change)
    with pytest.raises(SourceError, match=said):
        items(tmp_path / "src", tmp_path, Options())


@pytest.mark.parametrize("key", ["id", "modality", "case", "dataset", "split", "image", "mask"])
def test_a_name_of_60000_letters_is_refused_and_is_not_in_the_message(tmp_path, key):
    source(tmp_path / "src", ROWS)
    rewrite(tmp_path / "src", a={key: "x" * 60_000})
    with pytest.raises(SourceError, match="row 1") as refusal:
        items(tmp_path / "src", tmp_path, Options())
    assert len(str(refusal.value)) < 400


def test_a_line_that_is_no_json_is_named(tmp_path):
    source(tmp_path / "src", ROWS)
    with (tmp_path / "src/manifest.jsonl").open("a") as file:
        file.write("{oops\n")
    with pytest.raises(SourceError, match="manifest.jsonl, row 5"):
        items(tmp_path / "src", tmp_path)


def test_splits_go_by_case_and_take_about_their_share():
    drawn = [split_of(f"patient {number}", 0.15) for number in range(2000)]
    assert 0.12 < drawn.count("validation") / 2000 < 0.18
    assert drawn == [split_of(f"patient {number}", 0.15) for number in range(2000)]
    assert drawn != [split_of(f"patient {number}", 0.15, seed=1) for number in range(2000)]


def test_a_manifest_without_splits_gets_them(tmp_path):
    source(tmp_path / "src", [(str(number), *ROWS[1][1:]) for number in range(12)])
    rows = [{k: v for k, v in row.items() if k != "split"} for row in lines(tmp_path / "src/manifest.jsonl")]
    (tmp_path / "src/manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert set(build(tmp_path / "src", tmp_path / "out")["samples"]) <= {"train", "validation"}
    assert {item.split for item in items(tmp_path / "src", tmp_path, Options(validation=0.5))} == {
        "train",
        "validation",
    }

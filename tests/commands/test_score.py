"""`python -m medreasoner score` on rows from standard input.

python -m pytest tests/commands/test_score.py
"""

import io
import json

import numpy as np
import pytest
from PIL import Image

from medreasoner.cli import main
from tests import tiny
from tests.rewards.answers import BOX, POINTS, WRONG_SIDE, written

ROW = {"completion": written(), "bbox_2d": BOX, "point_2d": POINTS, "image_wh": [840, 840]}


def score(monkeypatch, capsys, *rows, options=("--set", "paper-hard")) -> tuple[int, list[dict], str]:
    monkeypatch.setattr(
        "sys.stdin",
        io.StringIO("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n"),
    )
    code = main(["score", *options])
    said = capsys.readouterr()
    return code, [json.loads(line) for line in said.out.splitlines()], said.err


def test_each_row_gets_its_terms_and_their_total(monkeypatch, capsys):
    code, (good, wrong), _ = score(monkeypatch, capsys, ROW, ROW | {"completion": written(*WRONG_SIDE)})
    assert (
        code == 0
        and good["total"] == 8
        and wrong["total"] == 5.5562
        and wrong["bbox_iou"] == 0.0887
        and wrong["row"] == 2
    )


def test_a_broken_truth_is_null_and_a_broken_answer_is_low(monkeypatch, capsys):
    _, (broken, mute), _ = score(
        monkeypatch,
        capsys,
        ROW | {"bbox_2d": [1, 2]},
        ROW | {"completion": ""},
        options=("--set", "paper-soft"),
    )
    assert broken["total"] is None and broken["bbox_iou"] is None and mute["total"] == 0


def test_the_mask_term_comes_with_an_image_a_mask_and_a_segmenter(monkeypatch, capsys, tmp_path):
    mask = np.zeros((60, 80), np.uint8)
    mask[20:40, 20:60] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(np.dstack([mask] * 3)).save(tmp_path / "image.png")
    row = {
        "completion": written([20, 20, 60, 40], [30, 30], [50, 30]),
        "bbox_2d": [20, 20, 60, 40],
        "point_2d": [[30, 30], [50, 30]],
        "image_wh": [80, 60],
        "mask": str(tmp_path / "mask.png"),
        "image": str(tmp_path / "image.png"),
    }
    segmenter = tiny.segmenter(tmp_path / "segmenter")
    _, (with_mask,), _ = score(monkeypatch, capsys, row, options=("--segmenter", str(segmenter)))
    _, (without,), _ = score(monkeypatch, capsys, row, options=())
    assert (
        0 <= with_mask["mask_dice"] <= 1
        and "mask_dice" not in without
        and without["points"] == with_mask["points"] == 1
    )


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("{", "line 1 is not JSON"),
        ("{}", "line 1 lacks completion"),
        ('{"completion": 1}', "lacks bbox_2d"),
        ("[]", "line 1 lacks"),
    ],
)
def test_a_line_that_is_no_row_is_named(line, sentence, monkeypatch, capsys):
    code, _, said = score(monkeypatch, capsys, line)
    assert code == 2 and sentence in said


def test_unknown_names_are_answered_with_those_there_are(monkeypatch, capsys):
    assert "expected one of paper-soft" in score(monkeypatch, capsys, ROW, options=("--set", "best"))[2]
    assert "'0..1000'" in score(monkeypatch, capsys, ROW, options=("--frame", "feet"))[2]

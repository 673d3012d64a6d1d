"""A set of volumes is scored, written target by target, and goes on after a kill.

python -m pytest tests/evaluation/test_volume_set.py
"""

import json

import pytest

from medreasoner.data.load import DataError
from medreasoner.evaluation.volume_set import evaluate_volumes, summary_lines
from medreasoner.evaluation.volume_targets import volume_rows
from tests.ball_volume import QUESTION, sees, write_set
from tests.segmenters.ball import BrightSegmenter


def test_a_set_is_scored_from_the_box_and_from_the_question_and_resumed(tmp_path):
    folder, told = write_set(tmp_path / "set", question=None), []
    reasoner, rows = sees(folder / "v.nii.gz"), volume_rows(folder)
    options = {"questions": {"ball": QUESTION}, "controls": True, "tell": told.append}
    summary = evaluate_volumes(folder, rows, reasoner, BrightSegmenter(), tmp_path, **options)
    assert summary["oracle"]["dice"] > 0.9 and summary["answers"]["dice"] > 0.9
    assert summary["answers"]["every_slice"] > 0.5 and summary["ends"] == {"found": 1}
    assert summary["answers_by_distance"]["0"] > 0.98 and "slice found" in told[0]
    written = json.loads((tmp_path / "summary.json").read_text())
    assert written == summary and any("slice_found" in line for line in summary_lines(summary))
    with (tmp_path / "volumes.jsonl").open("a") as file:
        file.write('{"oracle": {"half a li')  # a kill while it was written
    again = evaluate_volumes(folder, rows, reasoner, BrightSegmenter(), tmp_path, **options)
    assert again == summary and len(told) == 1, "what was scored is not asked again"


def test_a_target_without_a_question_gets_the_oracle_alone(tmp_path):
    folder = write_set(tmp_path / "set", question=None)
    summary = evaluate_volumes(
        folder, volume_rows(folder), sees(folder / "v.nii.gz"), BrightSegmenter(), tmp_path
    )
    assert (summary["targets"], summary["asked"], summary["answers"]) == (1, 0, {})


def test_records_of_another_model_and_a_damaged_volume_are_told(tmp_path):
    folder = write_set(tmp_path / "set")
    rows, reasoner = volume_rows(folder), sees(folder / "v.nii.gz")
    evaluate_volumes(folder, rows, reasoner, BrightSegmenter(), tmp_path)
    other = BrightSegmenter()
    other.name = "other"
    with pytest.raises(DataError, match="choose another folder"):
        evaluate_volumes(folder, rows, reasoner, other, tmp_path)
    (folder / "v.nii.gz").write_bytes(b"none")
    (tmp_path / "new").mkdir()
    summary = evaluate_volumes(folder, rows, reasoner, BrightSegmenter(), tmp_path / "new")
    assert summary["targets"] == 0 and "drawn:" in summary["left_out"][0]

"""Confidence in the report, where it was recorded: how well it tells right from wrong, reliability, risk.

python -m pytest tests/evaluation/report/test_confidence.py
"""

import json
import shutil

from medreasoner.evaluation.report import write


def test_the_confidence_has_its_parts_where_it_was_recorded(runs, tmp_path):
    folder = tmp_path / "sure"
    shutil.copytree(runs[0], folder)
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    for line in lines:  # right answers are called sure, wrong ones unsure; those that failed have none
        if line["found"] is not None:
            line["confidence"] = 0.75 if line["box_iou"] >= 0.5 else 0.25
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = write([folder], tmp_path / "r.html").markdown.read_text(encoding="utf-8")
    answered = [line for line in lines if line["found"]]
    right = sum(line["box_iou"] >= 0.5 for line in answered)
    assert 0 < right <= len(answered) < len(lines)
    (row,) = [line for line in text.splitlines() if line.startswith("| A place |")]
    cells = [cell.strip() for cell in row.strip("| ").split("|")]
    assert cells[1] == str(len(answered)) and float(cells[2]) == round(right / len(answered), 3)
    assert "## Reliability of the confidence" in text
    without = write(runs[:1], tmp_path / "r.html").markdown.read_text(encoding="utf-8")
    assert "Reliability of the confidence" not in without and "Reliability of the mask" in without

"""Reliability diagrams, where a confidence was recorded.

python -m pytest tests/evaluation/report/test_confidence.py
"""

import json
import shutil

from medreasoner.evaluation.report import write


def test_the_coordinates_probability_has_a_diagram_where_it_was_recorded(runs, tmp_path):
    folder = tmp_path / "sure"
    shutil.copytree(runs[1], folder)
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    for number, line in enumerate(lines):
        line["coordinate_probability"] = number / 16
    (folder / "records.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "Reliability of the coordinates" in write([folder], tmp_path / "r.html").markdown.read_text(
        encoding="utf-8"
    )
    assert "Reliability of the coordinates" not in write(runs[1:2], tmp_path / "r.html").markdown.read_text(
        encoding="utf-8"
    )

"""The one table of columns: what the command line, the report, the card and the Hub show is what it says.

python -m pytest tests/evaluation/test_columns.py
"""

import pytest

from medreasoner.evaluation import columns
from medreasoner.evaluation.aggregate import interval, summarise
from medreasoner.evaluation.columns import BY_KEY, COLUMNS, CONTROLS, HUB, OVERALL, PRESENCE, TERMINAL, Column
from medreasoner.evaluation.report.results import results
from medreasoner.evaluation.report.runs import Run
from medreasoner.evaluation.summary import Control, Summary
from medreasoner.evaluation.terminal import lines
from medreasoner.hub import card_tables, metadata
from tests.evaluation.fakes import record


def test_a_new_column_is_one_line(monkeypatch):
    area = Column(
        "area", "Box area", lambda one: one.box and one.box[2] * one.box[3], OVERALL, columns.EVERYWHERE
    )
    monkeypatch.setattr(columns, "COLUMNS", (*COLUMNS, area))
    found = summarise([record(0), record(1, box=(0.0, 0.0, 4.0, 5.0))])
    summary = Summary.from_json(Summary(n=2, overall=found.overall, data_sha256="0" * 64).to_json())
    assert summary.overall["area"].mean == 60
    assert any("Box area" in line and "60.000" in line for line in lines(summary))
    assert "Box area" in results([Run("run", summary, [])]).table.header
    assert "Box area" in card_tables.results(summary, "model").head
    assert [column.label for column, _ in metadata.measured(summary)][-1] == "Box area"


def test_keys_are_unique_and_every_column_is_shown():
    assert len(BY_KEY) == len(COLUMNS) and all(column.shown for column in COLUMNS)
    assert {column.key for column in columns.columns(shown=HUB)} >= {"box_iou", "acc_50", "mask_dice"}
    assert columns.columns(PRESENCE, TERMINAL) and not set(CONTROLS) & set(BY_KEY)


@pytest.mark.parametrize(("iou", "right"), [(0.4999, 0.0), (0.5, 1.0), (0.5001, 1.0)])
def test_a_box_is_right_from_half_an_overlap_on(iou, right):
    assert interval([record(0, box_iou=iou)], BY_KEY["acc_50"]).mean == right


def test_controls_are_rows_under_the_same_columns():
    found = summarise([record(0), record(1)])
    control = Control(row={"box_iou": found.overall["box_iou"]})
    table = card_tables.results(Summary(overall=found.overall, controls={"whole_image": control}), "model")
    assert [row[0] for row in table.rows] == ["model", CONTROLS["whole_image"]]
    assert table.rows[1][1:] == ["0.500 [0.500, 0.500]", "–", "–"]

"""Summaries keep their JSON: what is written is read back the same, and older files stay readable.

python -m pytest tests/evaluation/test_summary.py
"""

import json

import pytest

from medreasoner.evaluation.columns import ANSWERS, columns
from medreasoner.evaluation.record import RunInfo
from medreasoner.evaluation.summary import Control, Cost, Summary
from medreasoner.metrics import Interval

INTERVAL = {"mean": 0.5, "low": 0.4, "high": 0.6, "n": 4, "clusters": 2}


def test_a_summary_is_read_back_the_same():
    value = Interval(**INTERVAL)
    summary = Summary(
        run=RunInfo(format=2, model="m", answers="runs/other"),
        data="here",
        n=4,
        overall={"box_iou": value, "mask_dice": None},
        groups={"modality": {"CT": {"box_iou": value}}, "size": {}},
        answers={column.key: None for column in columns(ANSWERS)} | {"well_formed": value},
        presence={"sensitivity": value, "specificity": None},
        as_published={"iou": value},
        published_by_supercategory={"lung": value},
        failures={"model": 1},
        unanswered=("a: lost",),
        cost=Cost(counted=3, tokens_out=9),
        controls={
            "prior": Control(row={"box_iou": value}, model_minus_this=value, kinds_not_in_training=("CT a",))
        },
    )
    assert Summary.from_json(json.loads(json.dumps(summary.to_json()))) == summary


def test_a_summary_of_an_older_version_is_read_as_far_as_it_goes():
    old = {
        "model": "m",
        "n": 4,
        "overall": {"box_iou": INTERVAL},
        "per_modality": {"CT": {"box_iou": INTERVAL}},
    }
    old |= {"well_formed": INTERVAL, "controls": {"prior": {"model_minus_this": INTERVAL}}, "presence": None}
    summary = Summary.from_json(old)
    assert summary.run.model == "m" and summary.groups == {"modality": {"CT": summary.overall}}
    assert summary.answers["well_formed"] == Interval(**INTERVAL) and summary.answers["refused"] is None
    assert summary.controls["prior"].model_minus_this == Interval(**INTERVAL)


def test_a_file_without_results_is_no_summary():
    with pytest.raises(ValueError, match="no summary of an evaluation: it lacks 'overall'"):
        Summary.from_json({"model": "m"})

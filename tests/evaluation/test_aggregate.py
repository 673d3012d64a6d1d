"""Means over records: who counts for which column.

python -m pytest tests/evaluation/test_aggregate.py
"""

import pytest

from medreasoner.evaluation.aggregate import cost, interval, median_timings, summarise
from medreasoner.evaluation.columns import BY_KEY
from tests.evaluation.fakes import record


def test_presence_asks_for_absence_to_be_told_and_for_targets_to_be_found():
    here = [
        record(0),
        record(1, box=None, found=False, box_iou=0.0),
        record(2, box=None, found=None, box_iou=0.0),
    ]
    gone = {"truth": None, "box_iou": None, "well_formed": None}
    absent = [
        record(3, found=False, box=None, **gone),
        record(4, found=True, **gone),
        record(5, found=None, box=None, **gone),
        record(6, found=None, box=None, **gone),
    ]
    summary = summarise([*here, *absent])
    assert summary.presence["sensitivity"].mean == pytest.approx(1 / 3)
    assert summary.presence["specificity"].mean == 0.25, (
        "an answer that cannot be read does not tell an absence"
    )
    assert summary.answers["refused"].mean == pytest.approx(1 / 3)
    assert summary.overall["box_iou"].n == summary.answers["well_formed"].n == 3
    assert summarise(here).presence is None and summarise(absent).overall["box_iou"] is None


def test_the_cumulative_iou_is_a_sum_over_a_sum():
    listed = [record(0, overlap=(1, 1)), record(1, overlap=(0, 9)), record(2)]
    found = interval(listed, BY_KEY["mask_ciou"])
    assert (found.mean, found.n) == (0.1, 2)


def test_time_and_tokens_are_of_the_answers_that_have_them():
    timed = record(0, timings_s={"total": 2.0, "located": 1.0}, seconds=2.0, wall_s=3.0, tokens_per_s=9.0)
    absent = record(1, timings_s={"total": 4.0}, tokens_in=5, tokens_out=7)
    spent = cost([timed, absent])
    assert (spent.wall_s, spent.samples_per_s, spent.seconds_per_answer) == (3, 1 / 3, 2)
    assert (spent.counted, spent.tokens_in, spent.tokens_out, spent.tokens_per_s) == (1, 5, 7, 9)
    assert median_timings([timed, absent, record(2)]) == {"total": 3, "located": 1}
    assert cost([record(3)]).wall_s is None

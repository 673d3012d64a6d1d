"""One answer scored, from the events of its run.

python -m pytest tests/evaluation/test_scoring.py
"""

import numpy as np
import pytest
from PIL import Image

from medreasoner.evaluation.opened_sample import OpenedSample
from medreasoner.evaluation.scoring import answer_scores, fits_best, mask_scores, score_events
from medreasoner.events import Absent, Failed, Located, Thinking
from tests.evaluation.fakes import TRUTH, write


@pytest.fixture
def opened(tmp_path) -> OpenedSample:
    mask = np.zeros((60, 80), bool)
    mask[:10, :10] = True
    return OpenedSample(write(tmp_path, 0)[0], Image.new("RGB", (80, 60)), TRUTH, mask)


def test_a_perfect_answer_scores_one_and_no_answer_zero(opened):
    good, bad = answer_scores(opened, TRUTH, opened.mask), answer_scores(opened, None, None)
    for name in ("box_iou", "point_dice", "points_in_mask", "mask_dice", "mask_iou", "nsd"):
        assert getattr(good, name) == 1 and getattr(bad, name) == 0, name
    assert (good.hd95, bad.hd95) == (0, 1) and (good.overlap, bad.overlap) == ((100, 100), (0, 100))


def test_a_dialect_without_points_is_not_scored_for_them(opened):
    scores = answer_scores(opened, TRUTH, None, with_points=False)
    assert scores.pdice_published is scores.point_dice is None and scores.box_iou == 1


def test_two_empty_masks_agree(opened):
    empty = OpenedSample(opened.sample, opened.image, TRUTH, np.zeros((60, 80), bool))
    assert mask_scores(empty, None)["mask_iou"] == 1


def test_a_failure_keeps_what_was_located_before(opened):
    events = [Thinking("It is "), Thinking("there."), Located(TRUTH), Failed("segmenter", "Out of ink.")]
    record = score_events(opened, events, (40, 30))
    assert (record.failure, record.message, record.found, record.well_formed) == (
        "segmenter", "Out of ink.", None, False,
    )  # fmt: skip
    assert (record.box_iou, record.mask_dice, record.think, record.input_wh) == (
        1,
        0,
        "It is there.",
        (40, 30),
    )


def test_an_absence_is_an_answer_and_misses_a_target_that_is_there(opened):
    absent = Absent("No.", "<answer>", (80, 60), (), {"total": 1.0}, None, "m", "s", confidence=0.75)
    record = score_events(opened, [Thinking("No."), absent])
    assert record.found is False and record.failure is None and record.well_formed
    assert (record.box_iou, record.mask_dice, record.confidence) == (0, 0, 0.75)
    gone = OpenedSample(opened.sample, opened.image, None, None)
    assert score_events(gone, [absent]).box_iou is None


def test_a_box_fits_best_where_it_overlaps_no_other_target_more():
    near, far = (0.0, 0.0, 10.0, 10.0), (5.0, 0.0, 15.0, 10.0)
    assert (
        fits_best(near, near, [far]) and not fits_best(far, near, [far]) and not fits_best(None, near, [far])
    )
    assert fits_best(near, near, []) is None

"""Answers of another run, scored again: by another segmenter, in another frame.

python -m pytest tests/evaluation/test_saved_answers.py
"""

import numpy as np
import pytest

from medreasoner.data.load import DataError
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.run import evaluate
from medreasoner.evaluation.saved_answers import SavedAnswers
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.families import UPSTREAM_RAW
from tests.evaluation.fakes import BoxFiller, ColourFinder


def test_another_runs_answers_are_drawn_by_another_segmenter_and_left_as_they_are(samples, tmp_path):
    evaluate(samples, ColourFinder(), None, tmp_path / "asked")
    before = (tmp_path / "asked" / "records.jsonl").read_bytes()

    class Emptier(BoxFiller):
        name = "emptier"

        def segment(self, encoded, prompt):
            return np.zeros(encoded[::-1], bool), 0.1

    answers = SavedAnswers.read(tmp_path / "asked")
    good = evaluate(samples, answers, BoxFiller(), tmp_path / "filler")
    bad = evaluate(samples, answers, Emptier(), tmp_path / "emptier")
    assert good.overall["mask_dice"].mean == 1 and bad.overall["mask_dice"].mean == 0
    assert (
        good.overall["box_iou"] == bad.overall["box_iou"]
        and good.run.model == "finder"
        and good.run.segmenter == "filler"
    )
    assert (tmp_path / "asked" / "records.jsonl").read_bytes() == before


def test_answers_that_are_not_there_are_named(samples, train, tmp_path):
    with pytest.raises(DataError, match="holds no records.jsonl with answers"):
        SavedAnswers.read(tmp_path)
    evaluate(samples[:4], ColourFinder(), None, tmp_path / "asked")
    result = evaluate(
        samples, SavedAnswers.read(tmp_path / "asked"), BoxFiller(), tmp_path / "out", train=train
    )
    assert result.n == 4 and len(result.unanswered) == 12
    assert {"prior", "random_box", "oracle"} <= set(result.controls)
    assert "image_swapped" not in result.controls


def test_failures_of_the_model_are_told_again_as_such(samples, tmp_path):
    class Dying(ColourFinder):
        def stream(self, encoded, question, think=True, stop=None):
            yield "<think>It"
            raise ReasonerError("out of memory")

    live = evaluate(samples, Dying(), BoxFiller(), tmp_path / "a")
    again = evaluate(samples, SavedAnswers.read(tmp_path / "a"), BoxFiller(), tmp_path / "b")
    assert live.failures == again.failures == {"model": 16}


def test_the_published_scoring_reads_the_same_answers_without_conversion(samples, tmp_path):
    evaluate(samples, ColourFinder(), None, tmp_path / "fair")
    answers = SavedAnswers.read(tmp_path / "fair")
    raw = evaluate(samples, answers, None, tmp_path / "raw", Options(frame=UPSTREAM_RAW))
    assert raw.run.frame == "upstream-raw" and raw.run.writes == "0..1000"
    assert raw.overall["box_iou"].mean < 0.7
    back = evaluate(samples, SavedAnswers.read(tmp_path / "raw"), None, tmp_path / "back")
    assert back.run.frame == "0..1000" and back.overall["box_iou"].mean == pytest.approx(1)
    live = evaluate(samples, ColourFinder(), None, tmp_path / "live", Options(frame=UPSTREAM_RAW))
    assert live.overall == raw.overall

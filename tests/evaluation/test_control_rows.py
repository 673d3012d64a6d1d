"""Controls find out a model that does not look or does not listen, and clear one that does both.

python -m pytest tests/evaluation/test_control_rows.py
"""

from dataclasses import asdict, replace

import pytest
from PIL import Image

from medreasoner.evaluation.controls import learn_prior
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.run import evaluate
from medreasoner.metrics import Interval
from tests.evaluation.fakes import Blind, BoxFiller, ColourFinder, Deaf


def test_controls_show_that_a_good_model_looks_and_listens(samples, train, tmp_path):
    rows = evaluate(samples, ColourFinder(), BoxFiller(), tmp_path, train=train).controls
    assert rows["oracle"].row["mask_dice"].mean == 1 and rows[
        "oracle"
    ].model_minus_this_mask.mean == pytest.approx(0)
    for name in (
        "prior",
        "centre_box",
        "whole_image",
        "random_box",
        "question_shuffled",
        "image_swapped",
        "image_blanked",
    ):
        assert rows[name].row["box_iou"].mean < 0.5 and rows[name].model_minus_this.low > 0.3, name
    assert rows["oracle"].row["mask_ciou"].mean == 1
    assert (
        rows["whole_image"].row["mask_dice"].mean < 0.5
        and rows["whole_image"].model_minus_this_mask.low > 0.5
    )
    assert rows["question_shuffled"].row["fits_best"].mean == 0, (
        "each question is answered rightly, so it never fits the one that was meant"
    )
    assert rows["prior"].kinds_not_in_training == ()


def test_answering_without_reasoning_and_the_box_alone_are_rows_too(samples, train, tmp_path):
    class Thinker(ColourFinder):
        """Sees nothing where it may not think."""

        def stream(self, encoded, question, think=True, stop=None):
            yield from super().stream(
                encoded if think else replace(encoded, image=Image.new("RGB", encoded.image.size)),
                question,
                think,
                stop,
            )

    rows = evaluate(samples, Thinker(), BoxFiller(), tmp_path, train=train).controls
    assert rows["direct"].model_minus_this.low > 0.5
    assert rows["oracle_box"].row["mask_dice"].mean == 1 and "reasoning" not in rows
    rows = evaluate(
        samples, ColourFinder(), BoxFiller(), tmp_path / "direct", Options(think=False), train=train
    ).controls
    assert rows["reasoning"].model_minus_this.mean == 0 and "direct" not in rows


def test_controls_find_out_a_model_that_does_not_look(samples, train, tmp_path):
    result = evaluate(samples, Blind(learn_prior(train)), None, tmp_path, train=train)
    rows = result.controls
    assert asdict(rows["prior"].model_minus_this) == pytest.approx(asdict(Interval(0, 0, 0, 16, 8)))
    assert rows["image_swapped"].model_minus_this.mean == pytest.approx(0), "another image changes nothing"
    assert "oracle" not in rows


def test_controls_find_out_a_model_that_does_not_listen(samples, train, tmp_path):
    rows = evaluate(samples, Deaf(), None, tmp_path, train=train).controls
    assert rows["question_shuffled"].model_minus_this.mean == pytest.approx(0), (
        "another question changes nothing"
    )
    assert rows["image_swapped"].model_minus_this.low > 0

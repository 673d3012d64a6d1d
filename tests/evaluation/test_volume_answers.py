"""A question about a volume is answered and scored: the slice, the mask in space, the controls.

python -m pytest tests/evaluation/test_volume_answers.py
"""

import pytest

from medreasoner.evaluation.volume_answers import answer_means, score_answer
from medreasoner.evaluation.volume_targets import targets_in, volume_rows
from tests.ball_volume import BALL, sees, write_set
from tests.segmenters.ball import BrightSegmenter


@pytest.fixture
def target(tmp_path):
    folder = write_set(tmp_path)
    return next(targets_in(folder, *volume_rows(folder)))


def test_an_answer_is_scored_in_space_beside_its_controls(target, tmp_path):
    score = score_answer(target, sees(tmp_path / "v.nii.gz"), BrightSegmenter(), controls=True)
    assert score.end == "found" and score.slice_found and BALL[score.key - 1].any()
    assert score.dice > 0.9 and score.nsd > 0.9 and score.key_dice > 0.98
    assert score.key_only < 0.5 < score.every_slice < score.dice, "small slices are missed one by one"
    assert score.by_distance[0] == score.key_dice and score.seconds > 0
    means = answer_means([score, score])
    assert means["dice"] == score.dice and means["slice_found"] == 1.0


def test_a_target_that_is_said_not_to_be_there_scores_nothing(target, tmp_path):
    score = score_answer(target, sees(tmp_path / "v.nii.gz", blind=True), BrightSegmenter())
    assert (score.end, score.key, score.slice_found, score.dice) == ("absent", None, False, 0.0)
    assert score.slices == (0, 0) and score.by_distance == {} and score.every_slice is None
    assert "every_slice" not in answer_means([score])

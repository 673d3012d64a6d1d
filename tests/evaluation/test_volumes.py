"""The true box on the middle slice of a drawn ball is propagated and scored, beside the controls.

python -m pytest tests/evaluation/test_volumes.py
"""

import json

import numpy as np
import pytest

from medreasoner.evaluation.volume_targets import targets_in, volume_rows
from medreasoner.evaluation.volumes import KeptSlices, by_distance, means, score_target
from medreasoner.imaging import ImageError
from tests.data.build.volumes_drawn import nifti
from tests.segmenters.ball import MIDDLE, BrightSegmenter, ball

BALL = ball()


@pytest.fixture
def folder(tmp_path):
    noise = np.random.default_rng(0).normal(0, 4, BALL.shape)
    for name, shown in (("v", np.where(BALL, 150, 20) + noise), ("l", BALL * 3)):
        nifti(
            tmp_path / f"{name}.nii.gz", shown[:, ::-1, ::-1].transpose(2, 1, 0).astype(np.int16), (1, 1, 2)
        )
    targets = [{"index": 3, "name": "ball"}, {"index": 4, "name": "nowhere"}]
    row = {"id": "drawn", "image": "v.nii.gz", "label": "l.nii.gz", "targets": targets}
    (tmp_path / "volumes.jsonl").write_text(json.dumps(row) + "\n")
    return tmp_path


def test_a_ball_is_read_propagated_and_scored(folder):
    (row,) = volume_rows(folder)
    (target,) = targets_in(folder, row)
    assert np.array_equal(target.mask, BALL) and target.middle == MIDDLE[0] and target.name == "ball"
    score = score_target(target, BrightSegmenter())
    assert score.dice > 0.9 and score.nsd > 0.9 and score.key_dice > 0.98
    assert score.every_box > 0.98 and score.key_only < 0.5
    assert score.true_slices == (3, 13) and score.slices[0] >= 3 and score.slices[1] <= 13
    assert score.by_distance[0] == score.key_dice and max(score.by_distance) == 5
    assert means([score, score])["dice"] == score.dice
    assert volume_rows(folder, "another") == []


def test_targets_of_one_volume_share_its_encodings(folder):
    (target,) = targets_in(folder, *volume_rows(folder))
    segmenter, asked = BrightSegmenter(), []
    encode = segmenter.encode
    segmenter.encode = lambda *given: asked.append(given) or encode(*given)
    slices = KeptSlices(target.volume, segmenter)
    first, again = (score_target(target, segmenter, slices=slices) for _ in range(2))
    assert len(asked) == len(slices.all) and again.dice == first.dice
    assert again.seconds_per_slice > again.encode_seconds == first.encode_seconds > 0


def test_slices_as_far_from_the_middle_are_taken_together():
    mask, truth = np.zeros((5, 4, 4), bool), np.zeros((5, 4, 4), bool)
    mask[1:4], truth[2:5] = True, True
    assert by_distance(mask, truth, 3) == {0: 1.0, 1: 0.5, 2: 0.0}


def test_a_label_map_of_another_size_is_refused(folder):
    nifti(folder / "l.nii.gz", np.zeros((48, 48, 14), np.int16), (1, 1, 2))
    with pytest.raises(ImageError, match="l.nii.gz has the shape"):
        list(targets_in(folder, *volume_rows(folder)))

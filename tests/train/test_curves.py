"""`train/curves.py`: a run's record becomes a picture."""

import json

import numpy as np
import pytest
from PIL import Image

from train.curves import curves, draw, smoothed


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "grpo_mask"
    folder.mkdir()
    curve = [{"step": n, "reward": 1 + n / 50, "rewards/box/mean": 0.5, "loss": 0.1} for n in range(1, 41)]
    curve.append({"step": 40, "train_loss": 1})
    (folder / "run.json").write_text(json.dumps({"curve": curve}))
    return folder


def test_the_picture_shows_every_term_of_every_run(run, tmp_path):
    found = curves(run)
    assert set(found) == {"reward", "box"} and found["reward"][0].tolist() == list(range(1, 41))
    picture = Image.open(draw([run], tmp_path / "docs" / "rewards.png")).convert("RGB")
    assert (
        picture.width > 600 and len(np.unique(np.asarray(picture.resize((90, 60))))) > 5
    )  # something is drawn on it


def test_smoothing_keeps_the_mean_and_starts_at_once():
    assert smoothed(np.ones(40)).tolist() == [1.0] * 40
    assert smoothed(np.arange(3.0)).tolist() == [0.0, 0.5, 1.0]


def test_a_run_without_rewards_is_named(tmp_path):
    (tmp_path / "run.json").write_text('{"curve": [{"step": 1, "loss": 1.0}]}')
    with pytest.raises(ValueError, match="holds no reward"):
        curves(tmp_path)

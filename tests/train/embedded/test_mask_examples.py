"""`train/embedded/mask_examples.py`: prompts as wrong as a VLM's."""

import numpy as np
import pytest
import torch

from train.embedded.mask_examples import NOISES, near, noisy_prompt

BOX, POINTS = np.array([0.4, 0.4, 0.6, 0.7]), np.array([[0.5, 0.5], [0.55, 0.65]])


def test_a_prompt_without_spread_is_the_true_one():
    box, points = noisy_prompt(BOX, POINTS, np.random.default_rng(0), 0.0)
    assert np.allclose(box, BOX) and np.allclose(points, POINTS)


def test_a_noisy_box_stays_ordered_and_inside():
    rng = np.random.default_rng(0)
    boxes = np.array([noisy_prompt(BOX, POINTS, rng, 0.8)[0] for _ in range(200)])
    assert (boxes[:, :2] <= boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= 1
    assert boxes.std(0).min() > 0.05


def test_near_noise_is_nearer_than_wide_noise():
    far = {
        noise: np.mean(
            [np.abs(noisy_prompt(BOX, POINTS, rng, noise=noise)[0] - BOX).mean() for _ in range(500)]
        )
        for noise, rng in ((noise, np.random.default_rng(0)) for noise in NOISES)
    }
    assert 0 < far["near"] < far["wide"]


def test_errors_far_from_the_box_weigh_little():
    weight = near(torch.tensor([[0.4, 0.4, 0.6, 0.6]]))[0]
    assert weight[128, 128] == 1 and weight[5, 5] == pytest.approx(0.02)

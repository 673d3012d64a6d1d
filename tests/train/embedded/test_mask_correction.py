"""`train/embedded/mask_correction.py`: the click of a user who corrects a mask."""

import numpy as np
import torch

from train.embedded.mask_correction import correction, corrections


def square(x1: int, y1: int, x2: int, y2: int) -> np.ndarray:
    mask = np.zeros((40, 80), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_a_user_includes_what_is_missed_and_excludes_what_is_too_much():
    truth = square(20, 10, 40, 30)
    (x, y), label = correction(square(20, 10, 30, 30), truth)
    assert label == 1 and (0.375 < x < 0.5) and (0.25 < y < 0.75)
    (x, y), label = correction(square(20, 10, 70, 30), truth)
    assert label == 0 and x > 0.5
    (x, y), label = correction(truth, truth)
    assert label == 1 and truth[int(y * 40), int(x * 80)], "where nothing is wrong, the target is clicked"
    assert correction(square(0, 0, 0, 0), truth)[1] == 1


def test_a_batch_of_clicks_is_in_pixels_of_the_input():
    truth = torch.from_numpy(square(20, 10, 40, 30))[None]
    clicks, labels = corrections(torch.full((1, 40, 80), -1.0), truth.float())
    assert clicks.shape == (1, 1, 1, 2) and labels.tolist() == [[[1]]]
    x, y = clicks[0, 0, 0].tolist()
    assert 20 / 80 * 512 < x < 40 / 80 * 512 and 10 / 40 * 512 < y < 30 / 40 * 512

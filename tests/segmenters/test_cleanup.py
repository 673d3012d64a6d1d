"""Specks and pinholes leave a mask, everything else stays."""

import numpy as np

from medreasoner.segmenters.cleanup import tidy


def square() -> np.ndarray:
    logits = np.full((64, 64), -4.0, np.float32)
    logits[10:40, 10:40] = 4.0
    return logits


def test_specks_go_and_pinholes_close():
    logits = square()
    logits[20:23, 20:23] = -4.0
    logits[55:58, 55:58] = 4.0
    assert np.array_equal(tidy(logits, 0.03) > 0, square() > 0)


def test_a_second_region_and_a_real_hole_stay():
    logits = square()
    logits[18:30, 18:30] = -4.0
    logits[50:60, 45:60] = 4.0
    assert np.array_equal(tidy(logits, 0.03), logits)


def test_no_share_changes_nothing_and_an_empty_mask_stays_empty():
    logits = square()
    logits[0, 0] = 4.0
    assert np.array_equal(tidy(logits, 0.0), logits)
    assert not (tidy(np.full((8, 8), -1.0), 0.03) > 0).any()


def test_a_speck_in_a_hole_leaves_no_hole():
    logits = np.full((40, 40), -2.0)
    logits[5:35, 5:35] = 2.0
    logits[15:20, 15:20] = -2.0
    logits[17, 17] = 2.0
    assert (tidy(logits, 0.05)[5:35, 5:35] > 0).all()


def test_a_speck_with_a_hole_goes_with_it():
    logits = np.full((40, 40), -2.0)
    logits[15:38, 15:38] = 2.0
    logits[2:6, 2:6] = 2.0
    logits[3, 3] = -2.0
    assert not (tidy(logits, 0.05)[:10, :10] > 0).any()

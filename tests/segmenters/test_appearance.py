"""The grey values of a region tell what is like it.

python -m pytest tests/segmenters/test_appearance.py
"""

import numpy as np
from PIL import Image

from medreasoner.segmenters.appearance import Appearance, smooth_gray

NOISE = np.random.default_rng(0).normal(0, 5, (40, 60))
VALUES = np.clip(np.where(np.arange(60) < 30, 100, 180) + NOISE, 0, 255).astype(np.uint8)
GRAY = smooth_gray(Image.fromarray(VALUES).convert("RGB"))
LEFT = np.zeros(VALUES.shape, bool)
LEFT[5:35, 5:25] = True


def test_the_part_with_the_same_grey_values_is_kept():
    both = np.zeros(VALUES.shape, bool)
    both[5:35, 5:55] = True
    part = Appearance.of(GRAY, LEFT).part_of(both, GRAY, LEFT)
    assert part[10:30, 8:26].mean() > 0.95 and not part[:, 32:].any()


def test_of_several_parts_the_one_over_the_last_mask_is_kept():
    two = np.zeros(VALUES.shape, bool)
    two[2:12, 2:28] = two[20:38, 2:28] = True
    before = np.zeros(VALUES.shape, bool)
    before[3:10, 5:20] = True
    part = Appearance.of(GRAY, LEFT).part_of(two, GRAY, before)
    assert part[3:11].any() and not part[15:].any()


def test_each_part_of_the_last_mask_keeps_what_lies_over_it_and_a_speck_of_it_keeps_nothing():
    three = np.zeros(VALUES.shape, bool)
    three[2:12, 2:28] = three[16:26, 2:28] = three[30:38, 2:28] = True
    before = np.zeros(VALUES.shape, bool)
    before[3:11, 5:20] = before[17:23, 5:20] = before[33:35, 5:8] = True
    part = Appearance.of(GRAY, LEFT).part_of(three, GRAY, before)
    assert part[3:11].any() and part[17:25].any() and not part[29:].any()


def test_a_region_of_many_grey_values_refuses_little_and_another_tissue_leaves_nothing():
    whole = np.ones(VALUES.shape, bool)
    assert Appearance.of(GRAY, whole).part_of(LEFT, GRAY, LEFT).sum() > 0.9 * LEFT.sum()
    right = np.zeros(VALUES.shape, bool)
    right[5:35, 35:55] = True
    assert not Appearance.of(GRAY, LEFT).part_of(right, GRAY, LEFT).any()


def test_a_range_moves_towards_another_by_so_much_at_most():
    moved = Appearance(50, 100).towards(Appearance(40, 101), 2)
    assert (moved.low, moved.high) == (48, 101)
    assert Appearance(50, 100).towards(Appearance(40, 90), 0) == Appearance(50, 100)

"""The slices of a volume for propagators, masks anew after corrections, and what hangs together.

python -m pytest tests/test_volume_masks.py
"""

import tracemalloc
import weakref

import numpy as np
import pytest

from medreasoner.imaging import load_volume
from medreasoner.segmenters.mask_propagation import Limits, MaskPropagator
from medreasoner.volume_masks import VolumeSlices, reach, refine_volume, seed_component
from tests.ball_volume import BALL, write_ball
from tests.segmenters.ball import MIDDLE, BrightSegmenter, box_of

MID = MIDDLE[0]
LOW, HIGH = MID - 2, MID + 2
SEEDS = {LOW: box_of(BALL[LOW - 1]), HIGH: box_of(BALL[HIGH - 1])}


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    return load_volume(write_ball(tmp_path_factory.mktemp("ball")))


def growing() -> MaskPropagator:
    return MaskPropagator(BrightSegmenter(), Limits(grow=0.1, larger=9, smaller=0))


def test_a_correction_draws_the_slices_nearer_to_it_and_no_other(volume):
    every = {
        one.number: one.mask for one in refine_volume(volume, BrightSegmenter(), SEEDS, propagator=growing())
    }
    part = {
        one.number: one.mask
        for one in refine_volume(volume, BrightSegmenter(), SEEDS, HIGH, propagator=growing())
    }
    reached = reach(HIGH, SEEDS, volume.shape[0])
    assert set(part) == set(every) & set(reached) and HIGH in part and LOW not in part
    assert all(np.array_equal(part[number], every[number]) for number in part)


@pytest.mark.parametrize(
    ("seed", "seeds", "expected"),
    [(4, [4], (1, 10)), (4, [4, 8], (1, 6)), (8, [8, 4], (7, 10)), (5, [4, 5, 6], (5, 5))],
)
def test_the_slices_nearer_to_a_seed_are_its_own(seed, seeds, expected):
    reached = reach(seed, seeds, 10)
    assert (reached[0], reached[-1]) == expected


def test_what_is_known_of_a_slice_is_used_once_and_its_picture_opened_once(volume):
    opened = []

    class Counted(BrightSegmenter):
        def encode(self, image, features=None):
            opened.append(features)
            return super().encode(image)

    slices = VolumeSlices(volume, Counted(), features={3: "maps"}, encoded={4: "encoded"})
    assert slices.count == volume.shape[0] and slices.encode(4) == "encoded"
    slices.encode(3), slices.encode(3), slices.encode(4)
    assert opened == ["maps", None, None], "features and encodings are dropped when they are used"
    assert slices.picture(4) is slices.picture(4)


def test_what_is_made_of_a_slice_is_dropped_before_many_others_are_made(volume):
    alive, most = weakref.WeakSet(), []

    class Heavy:
        def __init__(self, grey):
            self.grey = grey

    class Watched(BrightSegmenter):
        def encode(self, image, features=None):
            heavy = Heavy(super().encode(image))
            alive.add(heavy)
            most.append(len(alive))
            return heavy

        def segment_after(self, encoded, prompt, logits):
            return super().segment_after(encoded.grey, prompt, logits)

    found = list(refine_volume(volume, Watched(), {MID: box_of(BALL[MID - 1])}))
    assert len(found) > 5 and len(most) > 6 and max(most) <= 2, "memory does not grow with the stack"


def test_only_what_is_connected_in_space_with_a_seed_is_kept():
    mask = np.zeros((4, 10, 10), bool)
    mask[0:2, 1:4, 1:4] = mask[1:4, 6:9, 6:9] = True
    seed = np.zeros((10, 10), bool)
    seed[1:4, 1:4] = True
    kept = seed_component(mask, {1: seed})
    assert kept.sum() == 18 and not kept[:, 6:, 6:].any()
    both = seed_component(mask, {1: seed, 4: mask[3]})
    assert np.array_equal(both, mask)
    assert not seed_component(mask, {4: seed}).any(), "the seed lies on nothing in that slice"


def test_a_small_mask_in_a_large_volume_costs_little_memory():
    mask = np.zeros((40, 256, 256), bool)
    mask[5:30, 100:130, 90:120] = True
    tracemalloc.start()
    try:
        kept = seed_component(mask, {10: mask[9]})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert np.array_equal(kept, mask) and peak < 1.5 * mask.nbytes
    assert not seed_component(np.zeros_like(mask), {10: mask[9]}).any()

"""A mask grows through a volume slice by slice and ends where its target does.

python -m pytest tests/segmenters/test_mask_propagation.py
"""

import threading

import numpy as np
import pytest

from medreasoner.segmenters.mask_propagation import Limits, MaskPropagator, WithoutLogits, grown
from medreasoner.segmenters.propagation import propagator_of, reaches
from tests.segmenters.ball import MIDDLE, SIDE, BrightSegmenter, Drawn, ball, box_of

BALL = ball()
MID = MIDDLE[0]
SEED = {MID: box_of(BALL[MID - 1])}


def grey(inside: int = 150, outside: int = 20) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 4, BALL.shape)
    return np.clip(np.where(BALL, inside, outside) + noise, 0, 255).astype(np.uint8)


def masks(found) -> np.ndarray:
    whole = np.zeros(BALL.shape, bool)
    for one in found:
        whole[one.number - 1] = one.mask
    return whole


def test_a_ball_is_outlined_from_its_middle_to_both_ends():
    found = list(
        MaskPropagator(BrightSegmenter(), Limits(larger=9, smaller=0)).propagate(Drawn(grey()), SEED)
    )
    assert found[0].number == MID and found[0].score == 0.9
    whole = masks(found)
    assert not (whole & ~BALL).any() and whole.sum() > 0.95 * BALL.sum()


def test_each_slice_is_encoded_once_and_the_logits_of_the_last_are_given_to_the_next():
    slices, segmenter = Drawn(grey()), BrightSegmenter()
    list(MaskPropagator(segmenter).propagate(slices, SEED))
    assert len(slices.encoded) == len(set(slices.encoded)) and slices.encoded[0] == MID
    assert segmenter.logits[0] is None and (segmenter.logits[1] > 0).sum() == BALL[MID - 1].sum()


def test_what_follows_in_the_same_place_but_looks_different_is_not_the_target():
    values = grey()
    values[MID + 1 :, 10:40, 10:40] = 250  # another organ lies on the ball
    found = [one.number for one in MaskPropagator(BrightSegmenter()).propagate(Drawn(values), SEED)]
    assert MID + 1 in found and MID + 2 not in found and MID - 3 in found


def test_a_box_too_large_is_drawn_tight_around_what_looks_like_the_target():
    values = grey()
    values[:, :, MIDDLE[2] + 4 :] = 200  # bright as the segmenter sees it, brighter than the ball
    seed = BALL[MID - 1].copy()
    seed[:, MIDDLE[2] + 4 :] = False
    limits = Limits(grow=0.5, redraw=1.0, like=0.2, larger=1.6, smaller=0, overlap=0)
    found = masks(MaskPropagator(BrightSegmenter(), limits).propagate(Drawn(values), {MID: box_of(seed)}))
    assert (found & (values >= 190)).sum() < 0.25 * found.sum()


def test_a_mask_that_jumps_ends_it():
    values = grey()
    values[MID] = 150  # the whole slice is like the ball
    limits = Limits(grow=2.0)
    found = [one.number for one in MaskPropagator(BrightSegmenter(), limits).propagate(Drawn(values), SEED)]
    assert MID + 1 not in found and MID - 1 in found


@pytest.mark.parametrize(("width", "drawn"), [(15, 2), (18, 1)])
def test_a_mask_may_double_from_one_slice_to_the_next(width, drawn):
    values = np.full((2, SIDE, SIDE), 20, np.uint8)
    values[0, 20:28, 20:28] = values[1, 20:28, 16 : 16 + width] = 150
    propagator = MaskPropagator(BrightSegmenter(), Limits(grow=2.0))
    seed = {1: box_of(values[0] == 150)}
    assert len(list(propagator.propagate(Drawn(values), seed))) == drawn


@pytest.mark.parametrize(
    ("scores", "drawn"),
    [
        ((0.9, 0.62, 0.59), 2),  # a seed that is not doubted does not raise the limit of 0.6
        ((0.5, 0.45, 0.41, 0.39), 3),  # 0.8 of the seed's is the limit here
    ],
)
def test_a_mask_that_the_segmenter_doubts_ends_it_and_one_doubted_from_the_first_does_not(scores, drawn):
    class Doubting(BrightSegmenter):
        def segment_after(self, *given):
            mask, _, logits = super().segment_after(*given)
            return mask, next(left), logits

    left = iter((*scores, 0.0))  # the last is for the first slice of the other way
    assert len(list(MaskPropagator(Doubting()).propagate(Drawn(grey()), SEED))) == drawn


def test_an_empty_seed_goes_nowhere():
    values = np.zeros(BALL.shape, np.uint8)
    assert [one.number for one in MaskPropagator(BrightSegmenter()).propagate(Drawn(values), SEED)] == [MID]


def test_stop_ends_it_within_a_slice():
    stop, slices = threading.Event(), Drawn(grey())
    found = MaskPropagator(BrightSegmenter()).propagate(slices, SEED, stop)
    next(found), next(found)
    stop.set()
    assert list(found) == [] and len(slices.encoded) == 2


def test_a_corrected_slice_leads_those_that_are_nearer_to_it():
    low, high = MID - 3, MID + 1
    seeds = {low: box_of(BALL[low - 1]), high: box_of(BALL[high - 1])}
    limits = Limits(grow=0.1, larger=9, smaller=0)
    found = list(MaskPropagator(BrightSegmenter(), limits).propagate(Drawn(grey()), seeds))
    assert [one.number for one in found][:2] == [low, high]
    assert len({one.number for one in found}) == len(found)
    assert masks(found)[low - 1 : high].sum() == BALL[low - 1 : high].sum()


@pytest.mark.parametrize(
    ("seed", "seeds", "expected"),
    [
        (4, [4], ([5, 6, 7, 8, 9, 10], [3, 2, 1])),
        (4, [4, 8], ([5, 6], [3, 2, 1])),
        (8, [4, 8], ([9, 10], [7])),
        (1, [1, 2], ([], [])),
    ],
)
def test_slices_between_two_seeds_are_shared(seed, seeds, expected):
    assert tuple(list(way) for way in reaches(seed, seeds, 10)) == expected


def test_a_box_grows_within_its_image():
    assert grown((0, 10, 20, SIDE), 0.1, (SIDE, SIDE)) == pytest.approx((0, 6.2, 22, SIDE))


def test_a_box_in_a_small_image_grows_by_less_than_a_pixel():
    left, top, right, bottom = grown((20, 20, 24, 24), 0.02, (SIDE, SIDE))
    assert 19.9 < left < 20 and 24 < right < 24.1 and (left, right) == (top, bottom)
    assert grown((20, 20, 24, 24), 0.02, (512, 512)) == (19, 19, 25, 25)


def test_a_target_that_brightens_slowly_is_followed_and_one_that_brightens_at_once_is_not():
    tall = np.zeros((20, SIDE, SIDE), bool)
    tall[:, 10:22, 12:26] = True
    noise = np.random.default_rng(0).normal(0, 4, tall.shape)
    seed = {1: box_of(tall[0])}

    def followed(rise: np.ndarray, drift: float) -> int:
        values = np.clip(np.where(tall, 150 + rise[:, None, None], 20) + noise, 0, 255).astype(np.uint8)
        propagator = MaskPropagator(BrightSegmenter(), Limits(drift=drift))
        return len(list(propagator.propagate(Drawn(values), seed)))

    slowly = np.linspace(0, 16, 20)
    assert followed(slowly, 0.015) == 20 and followed(slowly, 0.0) < 20
    assert followed(np.where(np.arange(20) < 8, 0, 60), 0.015) == 8


def test_a_segmenter_that_takes_no_mask_is_led_by_its_box():
    class OnlyBoxes:
        name, revision = "boxes", None

        def encode(self, image, features=None):
            return np.asarray(image)[..., 0]

        def segment(self, encoded, prompt):
            return BrightSegmenter().segment_after(encoded, prompt, None)[:2]

    propagator = propagator_of(OnlyBoxes())
    assert isinstance(propagator._segmenter, WithoutLogits) and propagator.name == "boxes"
    found = masks(propagator.propagate(Drawn(grey()), SEED))
    assert 2 * (found & BALL).sum() / (found.sum() + BALL.sum()) > 0.9

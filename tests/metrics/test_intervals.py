"""Intervals that know which samples belong to one case."""

import math

import numpy as np
import pytest

from medreasoner.metrics import paired, ratio, summary

RANDOM = np.random.default_rng(5)
SCORES = RANDOM.normal(0.5, 0.2, 400)
CASES = [f"case {i}" for i in range(400)]


def test_the_interval_of_independent_values_is_the_textbook_one():
    interval = summary(SCORES, CASES)
    margin = 1.96 * SCORES.std() / math.sqrt(400)
    assert interval.mean == SCORES.mean()
    assert interval.low == pytest.approx(SCORES.mean() - margin, abs=0.15 * margin)
    assert interval.high == pytest.approx(SCORES.mean() + margin, abs=0.15 * margin)
    assert (interval.n, interval.clusters) == (400, 400)


def test_slices_of_one_case_do_not_count_as_new_evidence():
    one, ten = summary(SCORES, CASES), summary(np.repeat(SCORES, 10), np.repeat(CASES, 10))
    assert (ten.low, ten.high) == pytest.approx((one.low, one.high))
    assert (ten.n, ten.clusters) == (4000, 400)
    naive = summary(np.repeat(SCORES, 10), range(4000))
    assert naive.high - naive.low < 0.4 * (ten.high - ten.low)


def test_cases_of_different_sizes_weigh_by_their_samples():
    assert summary([1, 1, 1, 0], ["a", "a", "a", "b"]).mean == 0.75


def test_an_interval_is_the_same_every_time_and_in_every_order():
    order = RANDOM.permutation(400)
    first, again = summary(SCORES, CASES), summary(SCORES, CASES)
    shuffled = summary(SCORES[order], [CASES[i] for i in order])
    assert first == again
    assert (shuffled.low, shuffled.high) == pytest.approx((first.low, first.high))
    assert summary(SCORES, CASES, seed=1).low != first.low


def test_a_single_case_gives_a_point():
    interval = summary([0.2, 0.4], ["a", "a"])
    assert interval.low == interval.mean == interval.high == pytest.approx(0.3)


def test_a_paired_difference_sees_what_two_means_would_hide():
    better = SCORES + RANDOM.normal(0.02, 0.01, 400)
    gain = paired(better, SCORES, CASES)
    assert 0 < gain.low < gain.mean < gain.high
    assert summary(better, CASES).low < summary(SCORES, CASES).high
    assert paired(SCORES, SCORES, CASES).high == 0


def test_a_ratio_with_equal_weights_is_the_mean():
    values, cases = [0.1, 0.5, 0.9, 0.3], ["a", "a", "b", "c"]
    assert ratio(values, [1, 1, 1, 1], cases) == summary(values, cases)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_and_infinity_are_errors_and_not_missing_values(bad):
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        summary([0.5, bad], ["a", "b"])
    with pytest.raises(ValueError, match="1 of 2 values are not finite"):
        paired([0.5, bad], [0.5, 0.5], ["a", "b"])


def test_nothing_and_uneven_lists_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        summary([], [])
    with pytest.raises(ValueError, match="as many values as clusters"):
        summary([1.0], ["a", "b"])
    with pytest.raises(ValueError, match="the same samples"):
        paired([1.0], [1.0, 2.0], ["a"])

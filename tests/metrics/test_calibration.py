"""Confidence against what came true.

python -m pytest tests/metrics/test_calibration.py
"""

import numpy as np
import pytest

from medreasoner.metrics import calibration_error, statistic
from medreasoner.metrics.calibration import auroc, equal_count, equal_width, expected_error, risk_at


def test_confidences_that_lie_close_are_cut_into_parts_of_like_number():
    sure, right = [0.01 + number / 1000 for number in range(25)], [0.0] * 12 + [1.0] * 13
    assert equal_count(sure, right) == [(pytest.approx(0.0155), 0, 12), (pytest.approx(0.028), 1, 13)]
    assert equal_count([0.5], [1.0]) == [(0.5, 1.0, 1)]


def test_auroc_is_the_area_under_the_roc_curve():
    assert auroc([0.9, 0.8, 0.3, 0.1], [1.0, 0.0, 1.0, 0.0]) == 0.75
    assert auroc([0.5, 0.5], [1.0, 0.0]) == 0.5 and auroc([0.5], [1.0]) is None
    rng = np.random.default_rng(0)
    sure, right = rng.integers(0, 5, 60) / 5, rng.integers(0, 2, 60)
    pairs = [(a > b) + (a == b) / 2 for a in sure[right == 1] for b in sure[right == 0]]
    assert auroc(sure, right) == pytest.approx(np.mean(pairs)), "ties count half"


def test_confidences_are_binned_and_their_error_is_weighted():
    binned = equal_width([0.05, 0.15, 0.17, 1.0], [0.0, 0.2, 0.4, 0.5])
    assert binned == [(0.05, 0.0, 1), (pytest.approx(0.16), pytest.approx(0.3), 2), (1.0, 0.5, 1)]
    assert expected_error(binned) == pytest.approx((0.05 + 2 * 0.14 + 0.5) / 4)


def test_what_is_promised_and_what_comes_true_differ_by_the_calibration_error():
    rng = np.random.default_rng(0)
    sure = rng.random(4000)
    true = (rng.random(4000) < sure).astype(float)
    assert calibration_error(sure, true) < 0.03
    assert calibration_error(np.full(4000, 0.9), true) == pytest.approx(0.9 - true.mean())


def test_only_the_surest_answers_are_kept_and_their_mistakes_counted():
    sure, right = [0.9, 0.8, 0.3, 0.1], [1, 0, 1, 0]
    assert [risk_at(sure, right, part) for part in (0.25, 0.5, 1.0, 0.01)] == [0, 0.5, 0.5, 0]


def test_a_statistic_has_an_interval_by_case():
    rng = np.random.default_rng(1)
    sure = rng.random(200)
    right, cases = (rng.random(200) < sure).astype(float), np.repeat(np.arange(50), 4)
    found = statistic(auroc, sure, right, cases)
    assert found.low < found.mean < found.high and (found.n, found.clusters) == (200, 50)
    assert found.mean == auroc(sure, right)
    assert statistic(auroc, sure, np.ones(200), cases) is None, "there is no pair to compare"

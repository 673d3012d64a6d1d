"""Confidence against what came true.

python -m pytest tests/evaluation/report/test_calibration.py
"""

from xml.etree import ElementTree

import pytest

from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.calibration import auroc, equal_count, equal_width, expected_error
from medreasoner.evaluation.report.figures import reliability


def test_confidences_that_lie_close_are_cut_into_parts_of_like_number():
    sure, right = [0.01 + number / 1000 for number in range(25)], [0.0] * 12 + [1.0] * 13
    assert equal_count(sure, right) == [(pytest.approx(0.0155), 0, 12), (pytest.approx(0.028), 1, 13)]
    assert equal_count([0.5], [1.0]) == [(0.5, 1.0, 1)]
    ElementTree.fromstring(reliability(equal_count(sure, right), "a", "b", figures.nice(max(sure))))


def test_auroc_is_the_area_under_the_roc_curve():
    assert auroc([0.9, 0.8, 0.3, 0.1], [1.0, 0.0, 1.0, 0.0]) == 0.75
    assert auroc([0.5, 0.5], [1.0, 0.0]) == 0.5 and auroc([0.5], [1.0]) is None


def test_confidences_are_binned_and_their_error_is_weighted():
    binned = equal_width([0.05, 0.15, 0.17, 1.0], [0.0, 0.2, 0.4, 0.5])
    assert binned == [(0.05, 0.0, 1), (pytest.approx(0.16), pytest.approx(0.3), 2), (1.0, 0.5, 1)]
    assert expected_error(binned) == pytest.approx((0.05 + 2 * 0.14 + 0.5) / 4)

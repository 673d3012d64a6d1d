"""Confidence against what came true: bins, their error, how well it tells right from wrong, and what is
gained by keeping only the surest answers.

Confidences are 0..1, truths 0 (wrong) or 1 (right), or 0..1 where a share is right.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PARTS, FEWEST = 10, 10  # bins at most; answers in one, at least


class Bin(NamedTuple):
    """`count` answers: their mean confidence, and the share that came true."""

    confidence: float
    truth: float
    count: int


def equal_width(confidences: Sequence[float], truths: Sequence[float], number: int = PARTS) -> list[Bin]:
    """The tenths of 0..1 that hold a value."""
    sure, true = _arrays(confidences, truths)
    index = np.minimum(number - 1, (sure * number).astype(int))
    return [_bin(sure[index == part], true[index == part]) for part in np.unique(index)]


def equal_count(confidences: Sequence[float], truths: Sequence[float], number: int = PARTS) -> list[Bin]:
    """Bins of like number, FEWEST answers at least, in order of confidence: for confidences that lie close
    together."""
    sure, true = _arrays(confidences, truths)
    order = np.argsort(sure, kind="stable")
    number = max(1, min(number, len(sure) // FEWEST))
    return [
        _bin(sure[part], true[part])
        for part in (order[len(sure) * i // number : len(sure) * (i + 1) // number] for i in range(number))
    ]


def expected_error(binned: Sequence[Bin]) -> float:
    """Mean distance of confidence and truth over the bins, weighted by their counts."""
    total = sum(each.count for each in binned)
    return sum(abs(each.confidence - each.truth) * each.count for each in binned) / total


def calibration_error(confidences: Sequence[float], truths: Sequence[float]) -> float:
    """Expected calibration error, 0..1, over bins of like number (Nguyen and O'Connor 2015)."""
    return expected_error(equal_count(confidences, truths))


def auroc(confidences: Sequence[float], truths: Sequence[float]) -> float | None:
    """Area under the ROC curve, 0..1: the share of pairs of a right answer and a wrong one in which the right
    one has the higher confidence, a tie counting half. None where all answers are right, or all wrong."""
    sure, true = _arrays(confidences, truths)
    right = true > 0
    good, bad = int(right.sum()), int((~right).sum())
    if not good or not bad:
        return None
    _, place, count = np.unique(sure, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]  # a tie has the mean of its ranks
    return float((ranks[right].sum() - good * (good + 1) / 2) / (good * bad))


def risk_at(confidences: Sequence[float], truths: Sequence[float], coverage: float) -> float:
    """The share of wrong answers, 0..1, among the surest `coverage` (above 0, to 1) of them."""
    sure, true = _arrays(confidences, truths)
    kept = np.argsort(-sure, kind="stable")[: max(1, round(coverage * len(sure)))]
    return float(1 - true[kept].mean())


def _arrays(confidences: Sequence[float], truths: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(confidences, dtype=float), np.asarray(truths, dtype=float)


def _bin(confidences: np.ndarray, truths: np.ndarray) -> Bin:
    return Bin(float(confidences.mean()), float(truths.mean()), len(confidences))

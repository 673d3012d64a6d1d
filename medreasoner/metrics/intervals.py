"""Means with 95 % confidence intervals, by a bootstrap over independent cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

ROUNDS = 2000  # of the bootstrap


@dataclass(frozen=True)
class Interval:
    """A mean and its 95 % interval `low`..`high`, over `n` values from `clusters` independent cases."""

    mean: float
    low: float
    high: float
    n: int
    clusters: int


def summary(
    values: Sequence[float], clusters: Sequence[str | int], seed: int = 0, n: int = ROUNDS
) -> Interval:
    """The mean of `values` with a 95 % percentile interval from a cluster bootstrap.

    Samples of one case (slices of a patient, targets of an image) are not independent, so each of the `n`
    rounds draws as many cases as there are, with replacement, and takes the mean of all their values. The
    order of the samples does not matter. With a single case the interval is a point and says nothing.

    Args:
        values: (N,) scores, finite.
        clusters: (N,) the case of each value, a string or a number.

    Errors: ValueError for no values, for unequal lengths, and for NaN or infinity (decide first what a
        failure scores).
    """
    return ratio(values, np.ones(len(values)), clusters, seed, n)


def ratio(
    values: Sequence[float],
    weights: Sequence[float],
    clusters: Sequence[str | int],
    seed: int = 0,
    n: int = ROUNDS,
) -> Interval:
    """`summary` of a sum over a sum, sum(values) / sum(weights): the cumulative IoU, from intersections and
    unions."""
    scores, shares = np.asarray(values, dtype=float), np.asarray(weights, dtype=float)
    if scores.ndim != 1 or len(scores) != len(clusters) or not len(scores):
        raise ValueError(
            f"expected as many values as clusters, at least one; got values {scores.shape} and "
            f"{len(clusters)} clusters"
        )
    if not np.isfinite(scores).all():
        bad = np.count_nonzero(~np.isfinite(scores))
        raise ValueError(
            f"{bad} of {len(scores)} values are not finite; decide what a failed sample scores before "
            "summarising"
        )
    cases, index = np.unique(np.asarray(clusters), return_inverse=True)
    sums, counts = np.bincount(index, weights=scores), np.bincount(index, weights=shares)
    drawn = _draws(len(cases), seed, n)
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return Interval(float(scores.sum() / shares.sum()), float(low), float(high), len(scores), len(cases))


def paired(
    values_a: Sequence[float],
    values_b: Sequence[float],
    clusters: Sequence[str | int],
    seed: int = 0,
    n: int = ROUNDS,
) -> Interval:
    """`summary` of a - b, for two ways of answering the same samples in the same order; the difference is
    real if the interval excludes zero. Errors: as `summary`, and ValueError for unequal lengths."""
    if len(values_a) != len(values_b):
        raise ValueError(
            f"both sides must answer the same samples; got {len(values_a)} and {len(values_b)} values"
        )
    return summary(np.asarray(values_a, dtype=float) - np.asarray(values_b, dtype=float), clusters, seed, n)


def statistic(
    of: Callable[[np.ndarray, np.ndarray], float | None],
    values: Sequence[float],
    truths: Sequence[float],
    clusters: Sequence[str | int],
    seed: int = 0,
    n: int = ROUNDS,
) -> Interval | None:
    """`of(values, truths)` with its interval, where it is no mean (a rank statistic, a calibration error).

    Args:
        of: of two arrays (N,); None where it is not defined: of all values there is then no interval, and
            rounds of the bootstrap are passed over.
    """
    scores, right = np.asarray(values, dtype=float), np.asarray(truths, dtype=float)
    whole = of(scores, right)
    if whole is None:
        return None
    cases, index = np.unique(np.asarray(clusters), return_inverse=True)
    members = [np.flatnonzero(index == case) for case in range(len(cases))]
    rounds = []
    for drawn in _draws(len(cases), seed, n):
        chosen = np.concatenate([members[case] for case in drawn])
        value = of(scores[chosen], right[chosen])
        if value is not None:
            rounds.append(value)
    low, high = np.percentile(rounds, (2.5, 97.5)) if rounds else (whole, whole)
    return Interval(float(whole), float(low), float(high), len(scores), len(cases))


@lru_cache(maxsize=16)
def _draws(cases: int, seed: int, n: int) -> np.ndarray:
    """(n, cases) indices: which cases each round of a bootstrap draws; the same for every score of the same
    samples."""
    return np.random.default_rng(seed).integers(cases, size=(n, cases))

"""Confidence against what came true: bins, their error, and how well confidence tells right from wrong."""

from collections.abc import Iterable, Sequence

Bin = tuple[float, float, int]  # mean confidence, mean truth, count
PARTS, FEWEST = 10, 10  # bins at most; answers in one, at least


def equal_width(confidences: Sequence[float], truths: Sequence[float], number: int = PARTS) -> list[Bin]:
    """The tenths of 0..1 that hold a value."""
    filled: dict[int, list[tuple[float, float]]] = {}
    for confidence, truth in zip(confidences, truths, strict=True):
        filled.setdefault(min(number - 1, int(confidence * number)), []).append((confidence, truth))
    return [_bin(pairs) for _, pairs in sorted(filled.items())]


def equal_count(confidences: Sequence[float], truths: Sequence[float], number: int = PARTS) -> list[Bin]:
    """Bins of like number, FEWEST answers at least, in order of confidence: for confidences that lie close
    together."""
    pairs = sorted(zip(confidences, truths, strict=True))
    number = max(1, min(number, len(pairs) // FEWEST))
    return [_bin(pairs[len(pairs) * i // number : len(pairs) * (i + 1) // number]) for i in range(number)]


def expected_error(binned: Sequence[Bin]) -> float:
    """Expected calibration error: mean distance of confidence and truth over the bins, weighted by their
    counts."""
    total = sum(count for *_, count in binned)
    return sum(abs(confidence - truth) * count for confidence, truth, count in binned) / total


def auroc(confidences: Sequence[float], right: Sequence[float]) -> float | None:
    """Area under the ROC curve, 0..1: the share of pairs of a right answer (1) and a wrong one (0) in which
    the right one has the higher confidence, a tie counting half. None where all answers are right, or all
    wrong."""
    pairs = list(zip(confidences, right, strict=True))
    good, bad = [c for c, r in pairs if r], [c for c, r in pairs if not r]
    if not good or not bad:
        return None
    return sum((g > b) + (g == b) / 2 for g in good for b in bad) / (len(good) * len(bad))


def _bin(pairs: Sequence[tuple[float, float]]) -> Bin:
    return _mean(confidence for confidence, _ in pairs), _mean(truth for _, truth in pairs), len(pairs)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)

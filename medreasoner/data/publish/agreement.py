"""How far reviewers agree, and what their decisions leave of a sample."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from medreasoner.data.publish.reviews import EDIT, REJECT, Ledger
from medreasoner.data.sample import Sample


def kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Cohen's kappa of two raters' labels of the same things: 1 is full agreement, 0 is what chance gives.

    None where it is not defined: no labels, or both raters gave one and the same label throughout.
    Source: Educational and Psychological Measurement 20, 1960.
    """
    count = len(first)
    of_first, of_second = Counter(first), Counter(second)
    chance = sum(of_first[label] * of_second[label] for label in of_first) / count**2 if count else 1.0
    if chance == 1:
        return None
    return (sum(a == b for a, b in zip(first, second, strict=True)) / count - chance) / (1 - chance)


def agreement(one: Ledger, other: Ledger, samples: Iterable[Sample]) -> tuple[float | None, int]:
    """(Cohen's kappa over accept, edit and reject; the number of samples both have decided)."""
    pairs = [(one.verdict(sample), other.verdict(sample)) for sample in samples]
    both = [(a.decision, b.decision) for a, b in pairs if a and b]
    return kappa([a for a, _ in both], [b for _, b in both]), len(both)


def settle(sample: Sample, books: Iterable[Ledger]) -> tuple[Sample | None, str]:
    """What the reviewers leave of `sample`, and its status.

    Returns: the sample, with the latest edit if there is one, or None; and one of "not reviewed", "rejected",
        "edited" and "accepted". One reviewer who rejects it is enough.
    """
    verdicts = sorted(
        (verdict for book in books if (verdict := book.verdict(sample))), key=lambda verdict: verdict.time
    )
    if not verdicts:
        return None, "not reviewed"
    if any(verdict.decision == REJECT for verdict in verdicts):
        return None, "rejected"
    edits = [verdict for verdict in verdicts if verdict.decision == EDIT]
    if edits:
        return replace(sample, question=edits[-1].question, think=edits[-1].think), "edited"
    return sample, "accepted"

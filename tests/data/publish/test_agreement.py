"""What decisions come to: how far reviewers agree, and what they leave of a set."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medreasoner.data.publish.agreement import agreement, kappa, settle
from medreasoner.data.publish.reviews import ACCEPT, EDIT, REJECT, Ledger, ledgers
from tests.review_set import REASON, draw, samples


@pytest.fixture
def folder(tmp_path) -> Path:
    return draw(tmp_path / "set")


def test_kappa_of_a_known_table():
    first = ["yes"] * 25 + [
        "no"
    ] * 25  # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(first, second) == pytest.approx(0.4) == kappa(second, first)
    assert kappa(["a", "b"], ["a", "b"]) == 1 and kappa(["a", "b"], ["b", "a"]) == -1


def test_kappa_is_not_defined_without_labels_or_with_one_label():
    assert kappa([], []) is None and kappa(["a", "a"], ["a", "a"]) is None


def test_agreement_is_over_what_both_have_decided(folder):
    one, two, three, _ = samples(folder)
    anna, ben = Ledger(folder, "anna"), Ledger(folder, "ben")
    for sample, first, second in ((one, ACCEPT, ACCEPT), (two, REJECT, REJECT), (three, ACCEPT, None)):
        anna.record(sample, first)
        if second:
            ben.record(sample, second)
    assert agreement(anna, ben, samples(folder)) == (1.0, 2)


def test_one_rejection_is_enough_and_the_latest_edit_holds(folder):
    one, two, three, four = samples(folder)
    anna, ben = Ledger(folder, "anna"), Ledger(folder, "ben")
    anna.record(one, ACCEPT)
    ben.record(one, REJECT, reason=REASON)
    anna.record(two, EDIT, question="Later?", think="b", time=datetime(2026, 2, 2, tzinfo=UTC))
    ben.record(two, EDIT, question="Earlier?", think="a", time=datetime(2026, 1, 1, tzinfo=UTC))
    ben.record(three, ACCEPT)
    books = ledgers(folder)
    assert [book.reviewer for book in books] == ["anna", "ben"]
    assert settle(one, books) == (None, "rejected")
    assert settle(two, books) == (replace(two, question="Later?", think="b"), "edited")
    assert settle(three, books) == (three, "accepted")
    assert settle(four, books) == (None, "not reviewed")

"""What requests cost: token estimates and reservations."""

import pytest

from medreasoner.data.build.writers.budget import Budget, BudgetSpent, estimate_tokens


def test_tokens_are_estimated_on_the_high_side():
    picture = {"type": "image_url", "image_url": {"url": "data:" + "x" * 100_000}}
    content = [picture, {"type": "text", "text": "a word " * 100}]
    assert estimate_tokens([{"role": "user", "content": content}]) == 1400 + 700 // 3 + 4


def test_what_is_reserved_counts_until_it_is_settled():
    budget = Budget(1.0)
    budget.reserve(0.6)
    with pytest.raises(
        BudgetSpent, match=r"\$0.0000 of the budget of \$1.00 is spent; the next request may cost \$0.5000"
    ):
        budget.reserve(0.5)
    budget.settle(0.6, 0.2)
    budget.reserve(0.8)
    assert budget.spent == pytest.approx(0.2)


def test_without_a_limit_anything_may_be_spent():
    budget = Budget(None)
    budget.reserve(1e9)
    budget.settle(1e9, 1e9)
    assert budget.spent == 1e9

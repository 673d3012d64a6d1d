"""Which slices of a volume are looked at, and which of them is chosen.

python -m pytest tests/test_key_slice.py
"""

import numpy as np
import pytest

from medreasoner.events import Scanned
from medreasoner.key_slice import COARSE, Scan, first_round, second_round


@pytest.mark.parametrize("slices", [1, 5, 9, 10, 40, 300])
def test_slices_are_looked_at_over_the_whole_stack(slices):
    numbers = first_round(slices)
    assert numbers == sorted(set(numbers)) and 1 <= numbers[0] and numbers[-1] <= slices
    assert len(numbers) == min(slices, COARSE)
    gaps = np.diff([1 - numbers[0], *numbers, 2 * slices + 1 - numbers[-1]])
    assert gaps.max() - gaps.min() <= 2 or slices <= COARSE


def test_the_second_round_lies_between_the_best_and_its_neighbours():
    assert second_round(40, first_round(40), None) == []
    assert second_round(90, [5, 15, 25], 15) == [8, 12, 18, 22]
    assert second_round(9, list(range(1, 10)), 4) == []


def test_the_best_slice_is_the_most_certain_of_those_with_a_target():
    scan = Scan([Scanned(2, True, 0.4, 1, 3), Scanned(5, False, 0.9, 2, 3), Scanned(7, True, 0.6, 3, 3)])
    assert scan.best() == 7 and Scan().best() is None

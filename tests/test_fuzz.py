"""The fuzzers (`make fuzz`) find nothing in their first inputs, and find what is there to be found.

python -m pytest tests/test_fuzz.py
"""

import random

import pytest

from bench import fuzz
from bench.fuzz_target import Target
from bench.fuzz_targets import TARGETS


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_raises_anything_but_a_refusal(name):
    target, refused = TARGETS[name](), 0
    for number in range(60):
        try:
            target.attack(random.Random(f"{name}/test/{number}"))
        except target.refusals:
            refused += 1
    assert refused < 60


class Fragile(Target):
    """Refuses one input in four, and breaks at one in ten."""

    refusals = (KeyError,)

    def attack(self, rng: random.Random) -> None:
        drawn = rng.random()
        if drawn < 0.1:
            raise ZeroDivisionError
        if drawn < 0.35:
            raise KeyError


def test_an_input_that_breaks_its_reader_ends_the_run_and_is_numbered(monkeypatch, capsys):
    monkeypatch.setitem(TARGETS, "fragile", Fragile)
    with pytest.raises(ZeroDivisionError):
        fuzz.run_inputs("fragile", seed=0, first=0, seconds=60)
    told = capsys.readouterr().out
    number = sum(int(inputs) for inputs, _ in fuzz.COUNTED.findall(told))
    assert told.endswith(f"next {number}\n")
    with pytest.raises(ZeroDivisionError):
        Fragile().attack(random.Random(f"fragile/0/{number}"))

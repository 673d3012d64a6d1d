"""What every target of the fuzzer is: how hostile inputs are made, and what must hold of the answers."""

import random
from abc import ABC, abstractmethod


class Target(ABC):
    """Attacks one reader; `refusals` are the errors by which it may refuse."""

    refusals: tuple[type[Exception], ...] = ()

    @abstractmethod
    def attack(self, rng: random.Random) -> None:
        """Make an input and read it. Raises one of `refusals`, or whatever must not be."""

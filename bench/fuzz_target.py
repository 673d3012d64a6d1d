"""What every target of the fuzzer is: how hostile inputs are made, and what must hold of the answers."""

import random


class Target:
    """Attacks one reader; `refusals` are the errors by which it may refuse."""

    refusals: tuple[type[Exception], ...] = ()

    def attack(self, rng: random.Random) -> None:
        """Make an input and read it. Raises one of `refusals`, or whatever must not be."""
        raise NotImplementedError

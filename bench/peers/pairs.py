"""Two ways of doing the same work, measured in turn in one process: a busy machine slows both alike."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

Way = Callable[[], object]


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Args:
        work, other: what is done, and in which other way.
        make: the two ways, ours first, ready to be called as often as one likes.
        must, goal: what the ratio has to be and is to become: our seconds by the other way's.
    """

    work: str
    other: str
    make: Callable[[], tuple[Way, Way]]
    must: float
    goal: float


@dataclass(frozen=True)
class Measured:
    """Medians of the seconds of both ways, and of the ratio within a pair: by the clock, and by the time of
    the processor, which other work on the machine disturbs less."""

    ours: float
    other: float
    ratio: float
    ratio_of_processor: float


def measure(ways: tuple[Way, Way], rounds: int) -> Measured:
    """Both ways once uncounted, then `rounds` pairs; who begins a pair changes each time."""
    for way in ways:
        way()
    pairs = []
    for number in range(rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        times = {which: seconds(ways[which]) for which in order}
        pairs.append((times[0], times[1]))
    middle = statistics.median
    return Measured(
        middle(ours for (ours, _), _ in pairs),
        middle(other for _, (other, _) in pairs),
        middle(ours / other for (ours, _), (other, _) in pairs),
        middle(ours / other for (_, ours), (_, other) in pairs),
    )


def seconds(way: Way) -> tuple[float, float]:
    """(by the clock, of the processor) of one call."""
    started, busy = time.perf_counter(), time.process_time()
    way()
    return time.perf_counter() - started, time.process_time() - busy

"""Who waits for the model, in order."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

ORDINALS = {1: "next", 2: "2nd", 3: "3rd"}


class Line:
    """Questions that wait for the model, and those that it answers. Safe to share between threads."""

    def __init__(self) -> None:
        self._waiting: dict[str, None] = {}  # a dict keeps the order
        self._running: set[str] = set()
        self._lock = threading.Lock()

    @contextmanager
    def waiting(self, task: str) -> Iterator[None]:
        """`task` is in line while the code inside runs."""
        with self._lock:
            self._waiting[task] = None
        try:
            yield
        finally:
            with self._lock:
                self._waiting.pop(task, None)

    @contextmanager
    def running(self, task: str) -> Iterator[None]:
        """`task` is being answered while the code inside runs."""
        with self._lock:
            self._waiting.pop(task, None)
            self._running.add(task)
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(task)

    def sentence(self, task: str, typical_seconds: float | None) -> str:
        """Where `task` stands in line and how long that may take; "" where nobody is before it.

        Args:
            typical_seconds: what a run takes; None if not known.
        """
        with self._lock:
            order = list(self._waiting)
            before = (order.index(task) if task in self._waiting else 0) + len(self._running)
        if not before:
            return ""
        place = ORDINALS.get(before, f"{before}th")
        wait = "" if typical_seconds is None else f", about {max(1, round(before * typical_seconds))} s"
        return f"Waiting for a free place: {place} in line{wait}"

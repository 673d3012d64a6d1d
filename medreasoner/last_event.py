"""The last event of a run, which is what a blocking call returns."""

from collections.abc import Iterable

from medreasoner.events import Absent, Done, Failed, VolumeDone


class GroundingFailed(RuntimeError):
    """A run ended without a mask; `failed` is its last event, the message is that event's."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


def last_event(events: Iterable[object]) -> Done | VolumeDone | Absent:
    """How the run of these `events` ended, after all of them. Errors: GroundingFailed where that is a
    Failed."""
    *_, last = events
    if isinstance(last, Failed):
        raise GroundingFailed(last)
    return last

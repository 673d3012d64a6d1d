"""What a visitor has set going with one image: every click that asks something is a task, which has its turn
once, and ends early when the visitor stops it or opens another image.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Tasks:
    """The tasks of one image.

    Args:
        image: the id that names the image to the browser.
        begun: ids of the clicks that had their turn. ended: of those that the visitor has stopped.
        closed: another image has been opened.
        failed_run: id of a run that ended with an unforeseen error.
    """

    image: str
    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    closed: bool = False
    failed_run: str | None = None

    def of(self, client: dict) -> str | None:
        """The id of the click that started a task; None if it was stopped in line or meant another image."""
        task = str(client.get("task") or "")
        return None if client.get("image") != self.image or not task or self.is_over(task) else task

    def is_over(self, task: str) -> bool:
        """Whether what the visitor started with the click `task` is to end, or not to begin."""
        return self.closed or task in self.ended

    @contextmanager
    def recording_failure(self, run: str | None) -> Iterator[None]:
        """Sets `failed_run` where the code inside raises; closing the generator around it (the visitor
        stopped or left) is no error."""
        failed = True
        try:
            yield
            failed = False
        except GeneratorExit:
            failed = False
            raise
        finally:
            self.failed_run = run if failed else None

"""The event handler that tells visitors how long they wait in line for the model."""

import asyncio
from collections.abc import AsyncIterator

import gradio as gr

from medreasoner.page.answer_view import status
from medreasoner.page.layout import Layout
from medreasoner.page.line import Line
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.session import Session

POLL_SECONDS = 0.5  # between two looks at the line


class LineHandlers:
    """The handlers of one page.

    Args:
        line: the one in which `RunHandlers` puts the questions that it answers.
    """

    def __init__(self, layout: Layout, line: Line, models: OfferedModels) -> None:
        self._layout, self._line, self._models = layout, line, models

    async def wait(self, session: Session | None, client: dict) -> AsyncIterator[dict]:
        """Say how long the line is, until the question of this click has its turn."""
        task = session.tasks.of(client) if session is not None else None
        if task is None:
            yield gr.skip()
            return
        with self._line.waiting(task):
            while task not in session.tasks.begun and not session.tasks.is_over(task):
                said = self._line.sentence(task, self._models.first.typical_seconds)
                if said:
                    yield self._layout.update({"status": status("waiting", said)}, task=task)
                await asyncio.sleep(POLL_SECONDS)
        yield gr.skip()  # Gradio hands over a generator's last value once more when it ends

"""Event handlers of the history: show an earlier answer about the same image again, or lay it beside the
shown one."""

import gradio as gr

from medreasoner.page.answer_view import status
from medreasoner.page.layout import Layout
from medreasoner.page.run_handlers import CONNECTION_LOST
from medreasoner.page.session import RUNNING, Session
from medreasoner.page.updates import finished_answer, recalled_values, shown_layers


class HistoryHandlers:
    """The handlers of one page."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def recall(self, session: Session | None, event: gr.EventData) -> dict:
        """Show an earlier answer, with its layers, as it was corrected."""
        if session is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        if session.phase in RUNNING or not session.recall(str(event.id)):
            return gr.skip()
        return self._layout.update(recalled_values(session), session.run, session.run)

    def contrast(self, session: Session | None, event: gr.EventData) -> dict:
        """Lay an earlier answer beside the one that is shown."""
        if session is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        other = next((answer for answer in session.answers if answer.id == str(event.id)), None)
        if other is None or session.shown is None:
            return gr.skip()
        shown = finished_answer(session, other)
        shown |= {"name": "Earlier answer", "layers": shown_layers(other, session)}
        return self._layout.update({"comparison": shown}, session.run)

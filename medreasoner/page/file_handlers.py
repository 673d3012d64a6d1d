"""Event handlers that open an image, show another slice of it, hand over a file of the answer, and forget a
visitor who leaves."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from medreasoner.imaging import ImageError, ViewSelection
from medreasoner.output.files import ExportError, file_names
from medreasoner.page import downloads
from medreasoner.page.answer_view import answer, status
from medreasoner.page.examples import Example
from medreasoner.page.image_view import picture
from medreasoner.page.layout import Layout
from medreasoner.page.run_handlers import CONNECTION_LOST
from medreasoner.page.session import Session


class FileHandlers:
    """Args:
    examples: those the page offers, in the order of their buttons.
    """

    def __init__(self, layout: Layout, examples: list[Example]) -> None:
        self._layout, self._examples = layout, examples

    def open_file(self, path: str) -> Iterator[dict]:
        """Show the image in the uploaded file at `path`, then delete the file; one that is no image leaves
        the image before in place."""
        yield self._layout.update({"status": status("opening", "Opening the image")})
        try:
            yield self._opened(Session.of_file(Path(path)))
        except ImageError as error:
            yield self._layout.update({"status": status("error", str(error))})
        finally:
            Path(path).unlink(missing_ok=True)

    def open_example(self, event: gr.EventData) -> dict:
        """Open the example that was clicked. Its index comes from the browser, so it is looked up, not
        trusted."""
        example = dict(enumerate(self._examples)).get(event.index)
        if example is None:
            raise gr.Error("There is no such example.")
        opened = self._opened(Session.of_example(example), event.index)
        return {self._layout.question: example.question, **opened}

    def open_view(self, session: Session | None, event: gr.EventData) -> dict:
        """Show another slice, frame or window of the visitor's file."""
        if session is None or session.data is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        try:
            return self._opened(
                session.with_view(ViewSelection(event.slice, event.axis, event.frame, event.window))
            )
        except ImageError as error:
            return self._layout.update({"status": status("error", str(error))})

    def _opened(self, session: Session, example: int | None = None) -> dict:
        viewer = picture(session.loaded, session.credit, session.truth) | {"example": example}
        empty = {"layers": {}, "downloads": {}, "confidence": {}, "comparison": {}}
        values = {"viewer": viewer, "answer": answer(), "status": status("ready", "Ready"), **empty}
        return {self._layout.session: session, **self._layout.update(values)}

    def download(self, session: Session | None, event: gr.EventData) -> dict:
        """Hand over one of the files that are offered."""
        if session is None or session.done is None or event.kind not in file_names(session.loaded):
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        try:
            file = downloads.make_file(session, event.kind)
        except ExportError as error:
            return self._layout.update({"status": status("done", str(error))}, session.run)
        file["id"] = uuid.uuid4().hex  # so that the browser saves a file that is asked for twice
        return self._layout.update({"downloads": downloads.offered(session) | {"file": file}}, session.run)


def forget_visitor(demo: gr.Blocks, request: gr.Request) -> None:
    """Drop what Gradio holds of a visitor who has closed the page or lost the connection. It would keep the
    state for an hour, and what the components last showed, the picture among it, until thousands of others
    have come."""
    demo.state_holder.session_data.pop(request.session_hash, None)
    demo.state_holder.time_last_used.pop(request.session_hash, None)

"""Event handlers that open an image, show another slice of it, and hand over a file of the answer."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import gradio as gr

from medreasoner.imaging import ImageError, ViewSelection
from medreasoner.imaging.opener import ImageOpener
from medreasoner.messages import without_paths
from medreasoner.output.files import ExportError
from medreasoner.page import downloads
from medreasoner.page.answer_view import answer, status
from medreasoner.page.examples import Example
from medreasoner.page.image_view import picture
from medreasoner.page.layout import Layout
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.run_handlers import CONNECTION_LOST
from medreasoner.page.session import Session
from medreasoner.page.updates import history, recalled_values
from medreasoner.page.uploads import delete_upload
from medreasoner.page.volume_updates import view_values


class FileHandlers:
    """The handlers of one page.

    Args:
        examples: those it offers, in the order of their buttons.
        opener: of the files that visitors bring.
        make_room: called with the bytes of memory that a new image takes, see `housekeeping.make_room`.
        models: that which is chosen takes in a session's image, if it is loaded.
    """

    def __init__(
        self,
        layout: Layout,
        examples: list[Example],
        opener: ImageOpener,
        make_room: Callable[[int], None],
        models: OfferedModels,
    ) -> None:
        self._layout, self._examples, self._models = layout, examples, models
        self._opener, self._make_room = opener, make_room

    def open_files(self, paths: list[str], session: Session | None, client: dict) -> Iterator[dict]:
        """Show the image in the uploaded files at `paths`, then delete them. What is no image leaves the
        image before and its answers in place.

        Args:
            session: of the image before.
            client: what the browser knew, see `RunHandlers.ask`; its task ends.
        """
        yield self._layout.update({"status": status("opening", "Opening the image")})
        try:
            files, loaded = OpenedFiles.read([Path(path) for path in paths], self._opener)
            yield self._opened(Session.of_files(files, loaded), session, client)
        except ImageError as error:
            yield self._refused(error, session, client)
        finally:
            for path in paths:
                delete_upload(path)

    def open_example(self, session: Session | None, client: dict, event: gr.EventData) -> dict:
        """Open the example that was clicked. Its index comes from the browser, so it is looked up, not
        trusted."""
        example = dict(enumerate(self._examples)).get(event.index)
        if example is None:
            raise gr.Error("There is no such example.")
        opened = self._opened(Session.of_example(example, event.index), session, client)
        return {self._layout.question: example.question, **opened}

    def open_view(self, session: Session | None, client: dict, event: gr.EventData) -> dict:
        """Show another slice, frame or window of the visitor's file."""
        if session is None or session.files is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        try:
            view = ViewSelection(event.slice, event.axis, event.frame, event.window)
            return self._opened(session.with_view(view, self._opener), session, client)
        except ImageError as error:
            return self._refused(error, session, client)

    def _opened(self, session: Session, before: Session | None, client: dict) -> dict:
        if before is not None:
            before.tasks.closed = True
            if before.volume is not None and session.volume is None:
                before.volume.drop()
        self._make_room(session.nbytes)
        choice = self._models.chosen(client)
        calls = self._models.loaded(choice)
        if calls is not None and (session.volume is None or not session.volume.running):
            calls.prepare(session)
        viewer = picture(session.loaded, session.credit, session.truth)
        viewer |= {"image": session.id, "example": session.example}
        viewer["file"] = id(session.files) if session.files is not None else session.id
        empty = {"layers": {}, "downloads": {}, "confidence": {}, "comparison": {}}
        values = {
            "answer": answer(),
            "status": status("ready", "Ready"),
            **empty,
            "history": history(session),
        }
        if session.shown is not None:
            values = recalled_values(session)
        if session.volume is None:
            values["volume"] = {}
        elif session.shows_volume:
            values |= view_values(session.volume)
        worth = self._models.described(choice, session)
        values |= {"viewer": viewer | {"answer": session.run}, "worth": worth}
        return {self._layout.session: session, **self._layout.update(values)}

    def _refused(self, error: ImageError, before: Session | None, client: dict) -> dict:
        if before is not None:
            before.tasks.ended.add(client.get("task"))
        phase = "empty" if before is None else before.settled_phase
        return self._layout.update({"status": status(phase, without_paths(str(error)), warning=True)})

    def fail(self, session: Session | None) -> dict:
        """Something else than the image was at fault; the traceback is in the server's log."""
        text = "Something broke on our side. What was open before is still here."
        phase = "empty" if session is None else session.settled_phase
        return self._layout.update({"status": status(phase, text, warning=True)})

    def download(self, session: Session | None, event: gr.EventData) -> dict:
        """Hand over one of the files that are offered."""
        if session is None or event.kind not in downloads.available(session):
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        try:
            file = downloads.make_file(session, event.kind)
        except ExportError as error:
            return self._layout.update({"status": status("done", str(error), warning=True)}, session.run)
        file["id"] = uuid.uuid4().hex  # so that the browser saves a file that is asked for twice
        return self._layout.update({"downloads": downloads.offered(session) | {"file": file}}, session.run)

"""The page: open a medical image, ask, watch the reasoning arrive, see box, points and mask, correct them, take them home.

Is: what each thing a visitor does changes in the components of `page.room`. What a state looks like is in `page/`, what a model wrote is
read by `medreasoner.answer`; nothing is parsed here. Is not: a place for state: what a visitor has opened lives in a
`page.session.Session` in `gr.State` and is dropped when the visitor leaves; nothing is in globals.

    python app.py [--model ID_OR_FOLDER] [--segmenter ID_OR_FOLDER] [--device D]

The port is GRADIO_SERVER_PORT, else 7860. MEDREASONER_MODEL and MEDREASONER_SEGMENTER stand in for the options on a Space.
Programs use `/ground`, `/ground_stream` and `/refine` (`page/endpoints.py`):
`gradio_client.Client(url).predict(handle_file(path), question, api_name="/ground")`.
"""

import argparse
import os
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import gradio as gr
import spaces
from PIL import Image

from medreasoner.events import Done, Event
from medreasoner.export import ExportError, Provenance, names
from medreasoner.geometry import Grounding, GroundingError
from medreasoner.loaded import ImageError, View
from medreasoner.pipeline import refuse
from medreasoner.reasoners.replay import image_key
from medreasoner.refine import Kept, Refined
from medreasoner.segmenter import Click, SegmenterError
from page import files, gpu, recorded, views
from page.drawn import style
from page.endpoints import Endpoints, prompt
from page.examples import Example, load_examples
from page.recorded import Recording, load_recordings, play
from page.room import Room
from page.run import Values, refined_values, run_values
from page.session import Session

HERE = Path(__file__).parent
GONE = "The connection was lost, and your image was dropped with it; open it again."
RUNS_AT_ONCE = 1  # a model answers one question at a time; the next visitor waits in line, and is told so

Update = dict[gr.blocks.Block, object]  # outputs that do not change are left out


class Model(Protocol):
    """What the page needs of a `medreasoner.MedReasoner`."""

    def stream(
        self, image: Image.Image, question: str, think: bool = True, stop: threading.Event | None = None, kept: Kept | None = None
    ) -> Iterator[Event]:
        """The events of one run; see `pipeline.ground`."""

    def refine(self, image: Image.Image, grounding: Grounding, clicks: tuple[Click, ...] = (), kept: Kept | None = None) -> Refined:
        """The mask for a corrected grounding; see `refine.refine`."""

    def provenance(self, question: str) -> Provenance:
        """What would make the answer to `question`, for the files one takes home."""


class Page:
    """The components, and what each thing a visitor does changes in them. `demo` is the `gr.Blocks`.

    Args:
        model: shared by all visitors.
        examples: offered below the image.
        recordings: of runs on the examples, for visitors for whom no GPU is left; see `page.recorded`.
    """

    def __init__(self, model: Model, examples: list[Example], recordings: Mapping[tuple[str, str], Recording] = MappingProxyType({})):
        self.model = model
        self.examples = examples
        self.recordings = recordings
        self.run_pace, self.refine_pace = gpu.Pace(gpu.FIRST_RUN), gpu.Pace(gpu.FIRST_REFINEMENT)
        self.events = spaces.GPU(duration=self.run_pace.ask)(self._events)
        self.refine = spaces.GPU(duration=self.refine_pace.ask)(self._refine)
        with gr.Blocks(title="MedReasoner", analytics_enabled=False, delete_cache=(300, 900), fill_width=True) as self.demo:
            self.room = Room(examples)
            self._wire(self.room)
            Endpoints(self.events, self.refine, model.provenance).place()
        self.demo.queue(default_concurrency_limit=4, max_size=64)

    def _wire(self, room: Room) -> None:
        page = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [room.status, room.reading, room.layers, room.take]
        opened = [*shown, room.session, room.viewer]
        model = {"concurrency_id": "model", "concurrency_limit": RUNS_AT_ONCE}
        run = room.ask.click(self.on_ask, [room.session, room.question], shown, **model, **page)
        run.failure(self.on_breakdown, room.session, shown, **page)
        room.stop.click(self.on_stop, None, shown, cancels=[run], **page)
        room.upload.upload(self.on_upload, room.upload, opened, cancels=[run], **page)
        room.strip.pick(self.on_pick, None, [*opened, room.question], cancels=[run], **page)
        room.viewer.turn(self.on_turn, room.session, opened, cancels=[run], **page)
        room.layers.refine(self.on_refine, room.session, shown, trigger_mode="multiple", **page)
        room.take.fetch(self.on_fetch, room.session, [room.take, room.status], **page)
        self.demo.unload(self.on_leave)

    # --- What a visitor does ---

    def on_ask(self, session: Session | None, question: str) -> Iterator[Update]:
        """Run the model on the visitor's image and show its events as they come. Outputs that do not change are left out."""
        refusal = "There is no image yet; open one first." if session is None else refuse(question)
        if refusal is not None:
            yield {self.room.status: views.status("error", refusal)}
            return
        session.begin(uuid.uuid4().hex, self.model.provenance(question))
        run, broke = session.run, True
        try:
            yield from self._answered(session, question)
            broke = False
        except GeneratorExit:  # the visitor stopped it, left, or opened another image
            broke = False
            raise
        finally:
            session.broken = run if broke else None

    def _answered(self, session: Session, question: str) -> Iterator[Update]:
        try:
            with closing(self.events(session.loaded.image, question, session.kept)) as events:
                for values in run_values(self._timed(events), session):
                    yield self._update(values, session)
        except gr.Error as error:
            recording = self.recordings.get((image_key(session.loaded.image), question)) if gpu.no_gpu(error.title) else None
            if recording is None:
                yield self._update({"status": views.status("error", gpu.sentence(error.title, error.message))}, session)
                return
            for values in run_values(play(recording), session):
                yield self._update(values, session)

    def _update(self, values: Values, session: Session) -> Update:
        """Values by name as Gradio wants them; the run's name goes with every one, see page/follow.js."""
        return {getattr(self.room, name): {**value, "run": session.run} for name, value in values.items()}

    def _timed(self, events: Iterator[Event]) -> Iterator[Event]:
        for event in events:
            if isinstance(event, Done):
                self.run_pace.add(event.timings_s["total"])
            yield event

    def _events(self, image: Image.Image, question: str, kept: Kept | None = None) -> Iterator[Event]:
        """The model's events. When the visitor stops or leaves, Gradio closes this generator, and the model stops with it."""
        stop = threading.Event()
        run = self.model.stream(image, question, think=True, stop=stop, kept=kept)
        try:
            while event := next(run, None):  # not `yield from`, which would close the run before it is told to stop
                yield event
        except GeneratorExit:
            stop.set()
            threading.Thread(target=run.close).start()  # waits for the model's last token, which the server's own thread must not
            raise

    def _refine(self, image: Image.Image, grounding: Grounding, clicks: tuple[Click, ...], kept: Kept | None = None) -> Refined:
        return self.model.refine(image, grounding, clicks, kept)

    def on_refine(self, session: Session | None, event: gr.EventData) -> Update:
        """Draw the mask again for what the visitor has moved or clicked."""
        if session is None:
            return {self.room.status: views.status("error", GONE)}
        if session.done is None:
            return {}
        run = session.run
        try:
            refined = self.refine(session.loaded.image, *prompt(event.box, event.points, event.clicks), session.kept)
        except (GroundingError, SegmenterError) as error:
            return self._update({"status": views.status("done", f"{error}.")}, session)
        except gr.Error as error:
            return self._update({"status": views.status("done", gpu.sentence(error.title, error.message))}, session)
        self.refine_pace.add(refined.seconds)
        if session.run != run or session.done is None:  # the visitor has asked anew meanwhile
            return {}
        session.correct(refined)
        return self._update(refined_values(session, refined, event.edit), session)

    def on_stop(self) -> Update:
        """The run has been cancelled by the same click; what was said stays."""
        return {self.room.status: views.status("stopped", "Stopped")}

    def on_breakdown(self, session: Session | None) -> Update:
        """An error nobody foresaw; its traceback is in the server's log. Gradio may also call this for a run that was cancelled, even when
        the next one has begun: that one must go on."""
        if session is None or session.broken is None or session.broken != session.run:
            return {}
        text = "Something broke on our side. Your image and question are still here."
        return self._update({"status": views.status("error", text)}, session)

    def on_upload(self, path: str) -> Iterator[Update]:
        """Show the image in the file at `path`, which is deleted; a file that is none leaves the image before in place."""
        yield {self.room.status: views.status("opening", "Opening the image")}
        try:
            yield self._opened(Session.of_file(Path(path)))
        except ImageError as error:
            yield {self.room.status: views.status("error", str(error))}
        finally:
            Path(path).unlink(missing_ok=True)

    def on_pick(self, event: gr.EventData) -> Update:
        """Open the example that was clicked; its place in the list comes from the browser, so it is looked up, not trusted."""
        example = dict(enumerate(self.examples)).get(event.index)
        if example is None:
            raise gr.Error("There is no such example.")
        return {self.room.question: example.question, **self._opened(Session.of_example(example), event.index)}

    def on_turn(self, session: Session | None, event: gr.EventData) -> Update:
        """Show another slice, frame or window of the visitor's file."""
        if session is None or session.data is None:
            return {self.room.status: views.status("error", GONE)}
        try:
            return self._opened(session.turned(View(event.slice, event.axis, event.frame, event.window)))
        except ImageError as error:
            return {self.room.status: views.status("error", str(error))}

    def _opened(self, session: Session, example: int | None = None) -> Update:
        return {
            self.room.session: session,
            self.room.viewer: views.picture(session.loaded, session.credit, session.truth) | {"example": example},
            self.room.layers: {},
            self.room.reading: views.reading(),
            self.room.take: {},
            self.room.status: views.status("ready", "Ready"),
        }

    def on_fetch(self, session: Session | None, event: gr.EventData) -> Update:
        """Hand over one of the files that are offered."""
        if session is None or session.done is None or event.kind not in names(session.loaded):
            return {self.room.status: views.status("error", GONE)}
        try:
            file = files.make(session, event.kind) | {"id": uuid.uuid4().hex}  # the same file asked for twice is saved twice
        except ExportError as error:
            return self._update({"status": views.status("done", str(error))}, session)
        return self._update({"take": files.offer(session) | {"file": file}}, session)

    def on_leave(self, request: gr.Request) -> None:
        """The visitor has closed the page or lost the connection: nothing is kept. Gradio would keep the state for an hour, and what the
        components last showed, the picture among it, until thousands of others have come."""
        self.demo.state_holder.session_data.pop(request.session_hash, None)
        self.demo.state_holder.time_last_used.pop(request.session_hash, None)


def launch(page: Page, **options: object) -> tuple[object, str, str]:
    """Serve `page`; nothing is kept of a visit, and the browser is sent nowhere else. Returns what `gr.Blocks.launch` returns."""
    return page.demo.launch(
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=style(),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        mcp_server=find_spec("mcp") is not None,
        max_file_size="200mb",
        **options,
    )


def main() -> int:
    """Load the model, then serve. Exit code 2 for a model that cannot be loaded."""
    parser = argparse.ArgumentParser(description="Serve the page.")
    parser.add_argument("--model", default=os.environ.get("MEDREASONER_MODEL"), help="Hub id or folder; default: the embedded model")
    parser.add_argument("--segmenter", default=os.environ.get("MEDREASONER_SEGMENTER"), help="Hub id or folder; default: the model's own")
    parser.add_argument("--device", help="cpu, cuda or cuda:N; default: the best there is")
    options = parser.parse_args()
    from medreasoner import MedReasoner, ReasonerError, SegmenterError  # torch: after the arguments are known to be right

    try:
        model = MedReasoner.from_pretrained(options.model, segmenter=options.segmenter, device=options.device)
    except (ReasonerError, SegmenterError) as error:
        print(error, file=sys.stderr)
        return 2
    launch(Page(model, load_examples(HERE / "examples"), load_recordings(HERE / recorded.FILE)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

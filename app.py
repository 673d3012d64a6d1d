"""The page: open a medical image, ask, watch the reasoning arrive, see box, points and mask, correct them, take them home.

Is: what each thing a visitor does changes in the components of `page.room`. What a state looks like is in `page/`, what a model wrote is
read by `medreasoner.answer`; nothing is parsed here. Is not: a place for state: what a visitor has opened lives in a
`page.session.Session` in `gr.State` and is dropped when the visitor leaves; nothing is in globals.

    python app.py [--model ID_OR_FOLDER] [--revision R] [--segmenter ID_OR_FOLDER] [--segmenter-revision R] [--compare ID_OR_FOLDER]
                  [--device D]

The port is GRADIO_SERVER_PORT, else 7860. MEDREASONER_MODEL, MEDREASONER_REVISION, MEDREASONER_SEGMENTER, MEDREASONER_SEGMENTER_REVISION
and MEDREASONER_COMPARE stand in for the options on a Space. With `--compare` the same question can be put to a second model; each draws
with its own segmenter, or both with `--segmenter`.
Programs use `/ground`, `/ground_stream` and `/refine` (`medreasoner/page/endpoints.py`):
`gradio_client.Client(url).predict(handle_file(path), question, api_name="/ground")`.
"""

import argparse
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import gradio as gr

from medreasoner.geometry import GroundingError
from medreasoner.imaging import ImageError, ViewSelection
from medreasoner.output.files import ExportError, file_names
from medreasoner.page import files, gpu, recorded, views
from medreasoner.page.calls import Calls, Model
from medreasoner.page.drawn import style
from medreasoner.page.endpoints import Endpoints, prompt
from medreasoner.page.examples import Example, load_examples
from medreasoner.page.more import both_values, second_values, sure_values
from medreasoner.page.recorded import Recording, load_recordings, play
from medreasoner.page.room import Room
from medreasoner.page.run import Values, refined_values, run_values
from medreasoner.page.session import Session
from medreasoner.pipeline import refuse
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.replay import image_key
from medreasoner.segmenters.base import SegmenterError

HERE = Path(__file__).parent
GONE = "The connection was lost, and your image was dropped with it; open it again."
RUNS_AT_ONCE = 1  # a model answers one question at a time; the next visitor waits in line, and is told so

Update = dict[gr.blocks.Block, object]  # outputs that do not change are left out


class Page:
    """The components, and what each thing a visitor does changes in them. `demo` is the `gr.Blocks`.

    Args:
        model: shared by all visitors.
        examples: offered below the image.
        recordings: of runs on the examples, for visitors for whom no GPU is left; see `page.recorded`.
        compare: a second model that visitors may ask the same; without one the page offers no comparison.
    """

    def __init__(
        self,
        model: Model,
        examples: list[Example],
        recordings: Mapping[tuple[str, str], Recording] = MappingProxyType({}),
        compare: Model | None = None,
    ):
        self.examples = examples
        self.recordings = recordings
        self.first, self.second = Calls(model), Calls(compare) if compare else None
        with gr.Blocks(
            title="MedReasoner", analytics_enabled=False, delete_cache=(300, 900), fill_width=True
        ) as self.demo:
            self.demo.space_id = None  # else Gradio draws a header for a Space, which asks huggingface.co and fonts.googleapis.com
            self.room = Room(examples, model.can_sample, self.second and self.second.name)
            self._wire(self.room)
            Endpoints(self.first.events, self.first.refine, model.provenance).place()
        self.demo.queue(default_concurrency_limit=4, max_size=64)

    def _wire(self, room: Room) -> None:
        page = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [
            part
            for part in (room.status, room.reading, room.layers, room.take, room.sure, room.second)
            if part
        ]
        opened = [*shown, room.session, room.viewer]
        model = {"concurrency_id": "model", "concurrency_limit": RUNS_AT_ONCE}
        asked = [room.session, room.question]
        runs = [room.ask.click(self.on_ask, asked, shown, **model, **page)]
        if room.compare:
            runs.append(room.compare.click(self.on_compare, asked, shown, **model, **page))
        if room.sure:
            runs.append(room.sure.sample(self.on_sample, room.session, shown, **model, **page))
        for run in runs:
            run.failure(self.on_breakdown, room.session, shown, **page)
        room.stop.click(self.on_stop, room.session, shown, cancels=runs, **page)
        room.upload.upload(self.on_upload, room.upload, opened, cancels=runs, **page)
        room.strip.pick(self.on_pick, None, [*opened, room.question], cancels=runs, **page)
        room.viewer.turn(self.on_turn, room.session, opened, cancels=runs, **page)
        room.layers.refine(self.on_refine, room.session, shown, trigger_mode="multiple", **page)
        room.take.fetch(self.on_fetch, room.session, [room.take, room.status], **page)
        self.demo.unload(self.on_leave)

    # --- What a visitor does ---

    def on_ask(self, session: Session | None, question: str) -> Iterator[Update]:
        """Run the model on the visitor's image and show its events as they come. Outputs that do not change are left out."""
        yield from self._asked(session, question, compared=False)

    def on_compare(self, session: Session | None, question: str) -> Iterator[Update]:
        """The same with both models, one after the other."""
        yield from self._asked(session, question, compared=True)

    def _asked(self, session: Session | None, question: str, compared: bool) -> Iterator[Update]:
        refusal = "There is no image yet; open one first." if session is None else refuse(question)
        if refusal is not None:
            yield {self.room.status: views.status("error", refusal)}
            return
        session.begin(uuid.uuid4().hex, self.first.model.provenance(question), compared)
        told = self._answered(session, question)
        if compared:
            events = self.second.events(session.loaded.image, question, session.beside)
            told = both_values(told, self._told(second_values(events, session, self.second.name)))
        with session.watched(), closing(told):
            for values in told:
                yield self._update(values, session)

    def _answered(self, session: Session, question: str) -> Iterator[Values]:
        """What the first model says or, where it gets no GPU, what it said when the example was recorded."""
        try:
            with closing(self.first.events(session.loaded.image, question, session.cache)) as events:
                yield from run_values(events, session)
        except gr.Error as error:
            recording = (
                self.recordings.get((image_key(session.loaded.image), question))
                if gpu.no_gpu(error.title)
                else None
            )
            if recording is None:
                yield {"status": views.status("error", gpu.sentence(error.title, error.message))}
                return
            yield from run_values(play(recording), session)

    def _told(self, values: Iterator[Values], phase: str = "error") -> Iterator[Values]:
        """`values`, and after them one sentence about what a model or ZeroGPU refused."""
        try:
            yield from values
        except gr.Error as error:
            yield {"status": views.status(phase, gpu.sentence(error.title, error.message))}
        except ReasonerError as error:
            yield {"status": views.status(phase, f"{error}.")}

    def _update(self, values: Values, session: Session) -> Update:
        """Values by name as Gradio wants them, without those that this page has no place for; the run's name goes with every one, see
        page/follow.js."""
        if session.compared and "reading" in values:
            values = {**values, "reading": {**values["reading"], "name": self.first.name}}
        return {
            place: {**value, "run": session.run}
            for name, value in values.items()
            if (place := getattr(self.room, name))
        }

    def on_sample(self, session: Session | None) -> Iterator[Update]:
        """Ask the first model the same again a few times, by chance, and show how far it agrees with itself."""
        if session is None:
            yield {self.room.status: views.status("error", GONE)}
            return
        if session.done is None:
            return
        samples = self.first.samples(session.loaded.image, session.provenance.question, session.cache)
        told = self._told(sure_values(samples, session), "done")
        with session.watched(), closing(told):
            for values in told:
                yield self._update(values, session)

    def on_refine(self, session: Session | None, event: gr.EventData) -> Update:
        """Draw the mask again for what the visitor has moved or clicked."""
        if session is None:
            return {self.room.status: views.status("error", GONE)}
        if session.done is None:
            return {}
        run = session.run
        try:
            refined = self.first.refine(
                session.loaded.image, *prompt(event.box, event.points, event.clicks), session.cache
            )
        except (GroundingError, SegmenterError) as error:
            return self._update({"status": views.status("done", f"{error}.")}, session)
        except gr.Error as error:
            return self._update(
                {"status": views.status("done", gpu.sentence(error.title, error.message))}, session
            )
        if session.run != run or session.done is None:  # the visitor has asked anew meanwhile
            return {}
        session.correct(refined)
        return self._update(refined_values(session, refined, event.edit), session)

    def on_stop(self, session: Session | None) -> Update:
        """The run has been cancelled by the same click; what was said stays, and an answer that was there can still be corrected."""
        answered = session is not None and session.done is not None
        return {self.room.status: views.status("done" if answered else "stopped", "Stopped")}

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
        return {
            self.room.question: example.question,
            **self._opened(Session.of_example(example), event.index),
        }

    def on_turn(self, session: Session | None, event: gr.EventData) -> Update:
        """Show another slice, frame or window of the visitor's file."""
        if session is None or session.data is None:
            return {self.room.status: views.status("error", GONE)}
        try:
            return self._opened(session.turned(ViewSelection(event.slice, event.axis, event.frame, event.window)))
        except ImageError as error:
            return {self.room.status: views.status("error", str(error))}

    def _opened(self, session: Session, example: int | None = None) -> Update:
        return {
            self.room.session: session,
            self.room.viewer: views.picture(session.loaded, session.credit, session.truth)
            | {"example": example},
            self.room.layers: {},
            self.room.reading: views.reading(),
            self.room.take: {},
            self.room.status: views.status("ready", "Ready"),
            **{part: {} for part in (self.room.sure, self.room.second) if part},
        }

    def on_fetch(self, session: Session | None, event: gr.EventData) -> Update:
        """Hand over one of the files that are offered."""
        if session is None or session.done is None or event.kind not in file_names(session.loaded):
            return {self.room.status: views.status("error", GONE)}
        try:
            file = files.make(session, event.kind) | {
                "id": uuid.uuid4().hex
            }  # the same file asked for twice is saved twice
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
    parser.add_argument(
        "--model",
        default=os.environ.get("MEDREASONER_MODEL"),
        help="Hub id or folder; default: the embedded model",
    )
    parser.add_argument(
        "--revision",
        default=os.environ.get("MEDREASONER_REVISION"),
        help="branch, tag or commit of --model on the Hub",
    )
    parser.add_argument(
        "--segmenter",
        default=os.environ.get("MEDREASONER_SEGMENTER"),
        help="Hub id or folder; default: the model's own",
    )
    revision = os.environ.get("MEDREASONER_SEGMENTER_REVISION")
    parser.add_argument(
        "--segmenter-revision", default=revision, help="branch, tag or commit of the segmenter on the Hub"
    )
    parser.add_argument(
        "--compare",
        default=os.environ.get("MEDREASONER_COMPARE"),
        help="a second model to ask the same; default: none",
    )
    parser.add_argument("--device", help="cpu, cuda or cuda:N; default: the best there is")
    options = parser.parse_args()
    from medreasoner import MedReasoner  # torch: after the arguments are known to be right

    try:
        same = {
            "segmenter": options.segmenter,
            "segmenter_revision": options.segmenter_revision,
            "device": options.device,
        }
        model = MedReasoner.from_pretrained(options.model, revision=options.revision, **same)
        second = MedReasoner.from_pretrained(options.compare, **same) if options.compare else None
    except (ReasonerError, SegmenterError) as error:
        print(error, file=sys.stderr)
        return 2
    launch(Page(model, load_examples(HERE / "examples"), load_recordings(HERE / recorded.FILE), second))
    return 0


if __name__ == "__main__":
    sys.exit(main())

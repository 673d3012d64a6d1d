"""The page: open a medical image, ask, watch the reasoning arrive, see box, points and mask.

Is: components, and Event -> component update. What a state looks like is in `page/`, what a model wrote is read by `medreasoner.answer`;
nothing is parsed here. Is not: a place for state: a visitor's image lives in `gr.State`, a run in its own generator, nothing in globals.

    python app.py [--model ID_OR_FOLDER] [--segmenter ID_OR_FOLDER] [--device D]

The port is GRADIO_SERVER_PORT, else 7860. MEDREASONER_MODEL and MEDREASONER_SEGMENTER stand in for the options on a Space.
Programs use the endpoint `/ground`: `gradio_client.Client(url).predict(handle_file(path), question, api_name="/ground")`.
"""

import argparse
import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Protocol

import gradio as gr
import numpy as np
import spaces
from PIL import Image

from medreasoner.draw import COLOURS
from medreasoner.events import NOTICE, Done, Event, Failed, Located, Segmented, Thinking
from medreasoner.export import as_json
from medreasoner.images import ImageError, Loaded, load_image
from medreasoner.pipeline import refuse
from page import views
from page.examples import Example, load_examples

HERE = Path(__file__).parent
TEXT_EVERY = 0.05  # seconds between two updates of the reasoning: smooth to the eye, and next to free for the model
GPU_SECONDS = 30  # what one run asks of a ZeroGPU visitor's quota
RUNS_AT_ONCE = 1  # a model answers one question at a time; the next visitor waits in line, and is told so

Update = dict[gr.blocks.Block, object]  # outputs that do not change are left out


class Model(Protocol):
    """What the page needs of a `medreasoner.MedReasoner`."""

    def stream(self, image: Image.Image, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[Event]:
        """The events of one run; see `pipeline.ground`."""


class Page:
    """The components, and what each thing a visitor does changes in them. `demo` is the `gr.Blocks`.

    Args:
        model: shared by all visitors.
        examples: offered below the image.
    """

    def __init__(self, model: Model, examples: list[Example]):
        self.model = model
        self.examples = examples
        self.events = spaces.GPU(duration=GPU_SECONDS)(self._events)
        with gr.Blocks(title="MedReasoner", analytics_enabled=False, delete_cache=(300, 900), fill_width=True) as self.demo:
            self._place()
            self._wire()
        self.demo.queue(default_concurrency_limit=4, max_size=64)

    # --- Components ---

    def _place(self) -> None:
        self.loaded = gr.State(None)  # the visitor's Loaded, in memory only
        _drawn("header")
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="seeing"):
                self.viewer = _drawn("viewer")
                with gr.Row(elem_id="under"):
                    self.layers = _drawn("layers")
                    self.upload = gr.UploadButton("Open image", elem_id="open-image", type="filepath")
                self.strip = _drawn("examples", [views.thumbnail(example) for example in self.examples], visible=bool(self.examples))
            with gr.Column(elem_id="saying"):
                with gr.Column(elem_id="asking"):
                    self.question = gr.Textbox(label="Question", lines=2, max_lines=5, placeholder="Ask about one place in the image")
                    with gr.Row(elem_id="actions"):
                        self.ask = gr.Button("Ask", variant="primary", elem_id="ask")
                        self.stop = gr.Button("Stop", elem_id="stop", interactive=False)  # from here on, status.js enables the two
                        gr.HTML(f"<p>{NOTICE}</p>", elem_id="notice")
                self.status = _drawn("status", views.status("empty"))
                self.reading = _drawn("reading", views.reading())

    def _wire(self) -> None:
        page = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [self.status, self.reading, self.layers]
        opened = [*shown, self.loaded, self.viewer]
        run = self.ask.click(
            self.on_ask, [self.loaded, self.question], shown, concurrency_id="model", concurrency_limit=RUNS_AT_ONCE, **page
        )
        run.failure(self.on_breakdown, None, shown, **page)
        self.stop.click(self.on_stop, None, shown, cancels=[run], **page)
        self.upload.upload(self.on_upload, self.upload, opened, cancels=[run], **page)
        self.strip.pick(self.on_pick, None, [*opened, self.question], cancels=[run], **page)
        with gr.Row(visible=False):  # the endpoint's inputs and output: never drawn
            ground = gr.Button()
            ground.click(
                self.ground,
                [gr.File(label="image", type="filepath"), gr.Textbox(label="question")],
                [gr.JSON(label="grounding"), gr.Image(label="mask", format="png")],
                api_name="ground",
                concurrency_id="model",
            )

    # --- What a visitor does ---

    def on_ask(self, loaded: Loaded | None, question: str) -> Iterator[Update]:
        """Run the model on the visitor's image and show its events as they come. Outputs that do not change are left out."""
        refusal = "There is no image yet; open one first." if loaded is None else refuse(question)
        if refusal is not None:
            yield {self.status: views.status("error", refusal)}
            return
        run = uuid.uuid4().hex  # goes with every value, see page/follow.js
        with closing(self.events(loaded.image, question)) as events:
            for update in self._updates(events, loaded.spacing_mm):
                yield {component: {**value, "run": run} for component, value in update.items()}

    def _updates(self, events: Iterator[Event], spacing_mm: views.Spacing) -> Iterator[Update]:
        yield {self.status: views.status("reading", "Reading the image"), self.reading: views.reading(), self.layers: {}}
        think, located, shown_at = "", None, None
        for event in events:
            match event:
                case Thinking(text):
                    think += text
                    if shown_at is None:
                        yield {self.status: views.status("thinking", "Thinking")}
                    if shown_at is None or time.monotonic() - shown_at >= TEXT_EVERY:
                        shown_at = time.monotonic()
                        yield {self.reading: views.reading(think)}
                case Located():
                    located = event
                    yield {
                        self.status: views.status("outlining", "Outlining"),
                        self.layers: views.layers(located.grounding),
                        self.reading: views.reading(think, views.answer(located.grounding, spacing_mm), located.notes),
                    }
                case Segmented(mask):
                    yield {self.layers: views.layers(located.grounding, mask)}
                case Done():
                    rows = views.answer(event.grounding, spacing_mm, event.mask, event.mask_score)
                    yield {
                        self.status: views.status("done", "Done"),
                        self.reading: views.reading(event.think, rows, event.notes, views.timings(event)),
                    }
                case Failed():
                    rows = views.answer(located.grounding, spacing_mm) if located else []
                    status, reading = views.failure(event, think, rows)
                    yield {self.status: status, self.reading: reading}

    def _events(self, image: Image.Image, question: str) -> Iterator[Event]:
        """The model's events. When the visitor stops or leaves, Gradio closes this generator, and the model stops with it."""
        stop = threading.Event()
        run = self.model.stream(image, question, think=True, stop=stop)
        try:
            while event := next(run, None):  # not `yield from`, which would close the run before it is told to stop
                yield event
        except GeneratorExit:
            stop.set()
            threading.Thread(target=run.close).start()  # waits for the model's last token, which the server's own thread must not
            raise

    def on_stop(self) -> Update:
        """The run has been cancelled by the same click; what was said stays."""
        return {self.status: views.status("stopped", "Stopped")}

    def on_breakdown(self) -> Update:
        """An error nobody foresaw; its traceback is in the server's log."""
        return {self.status: views.status("error", "Something broke on our side. Your image and question are still here.")}

    def on_upload(self, path: str) -> Iterator[Update]:
        """Show the image in the file at `path`; a file that is none leaves the one before in place."""
        yield {self.status: views.status("opening", "Opening the image")}
        yield self._open(Path(path))

    def on_pick(self, event: gr.EventData) -> Update:
        """Open the example that was clicked; its place in the list comes from the browser, so it is looked up, not trusted."""
        example = dict(enumerate(self.examples)).get(event.index)
        if example is None:
            raise gr.Error("There is no such example.")
        return {self.question: example.question, **self._open(example.image, example.credit)}

    def _open(self, path: Path, credit: str = "") -> Update:
        try:
            loaded = load_image(path)
        except ImageError as error:
            return {self.status: views.status("error", str(error))}
        return {
            self.loaded: loaded,
            self.viewer: views.picture(loaded, credit),
            self.layers: {},
            self.reading: views.reading(),
            self.status: views.status("ready", "Ready"),
        }

    def ground(self, image: str, question: str) -> tuple[dict, Image.Image]:
        """Find the place in a medical image that a question is about. Research use only. Not for diagnosis.

        Args:
            image: a PNG, JPEG, TIFF, DICOM or NIfTI file.
            question: what to look for, in a clinician's words.

        Returns:
            The contents of `grounding.json`, and the mask it names: 0/255 grey, in the image's size.
        """
        try:
            loaded = load_image(Path(image))
        except ImageError as error:
            raise gr.Error(str(error), print_exception=False) from error
        *_, last = self.events(loaded.image, question)
        if isinstance(last, Failed):
            raise gr.Error(last.message, print_exception=False)
        return as_json(last), Image.fromarray(last.mask.astype(np.uint8) * 255)


def _drawn(name: str, value: object = None, **options: object) -> gr.HTML:
    """A component of our own: `page/NAME.html` once, then `page/NAME.js`, if there is one, puts its value on the page."""
    scripts = [HERE / "page" / "follow.js", HERE / "page" / f"{name}.js"]
    return gr.HTML(
        value,
        html_template=(HERE / "page" / f"{name}.html").read_text(encoding="utf-8"),
        js_on_load="".join(script.read_text(encoding="utf-8") for script in scripts) if scripts[1].exists() else None,
        elem_id=name,
        apply_default_css=False,
        **options,
    )


def launch(page: Page, **options: object) -> tuple[object, str, str]:
    """Serve `page`; nothing is kept of a visit, and the browser is sent nowhere else. Returns what `gr.Blocks.launch` returns."""
    colours = "".join(f"--seen-{name}: {colour};" for name, colour in COLOURS.items())
    return page.demo.launch(
        theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
        css=f":root {{ {colours} }}\n" + (HERE / "page" / "style.css").read_text(encoding="utf-8"),
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
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
    launch(Page(model, load_examples(HERE / "examples")))
    return 0


if __name__ == "__main__":
    sys.exit(main())

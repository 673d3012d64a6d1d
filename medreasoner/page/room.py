"""The components of the page and where they stand; what happens when they are used is in `app.py`.

Is: the reading room: header, viewer, layers and examples on one side, question, reasoning and files on the other. Is not: any event.
"""

import gradio as gr

from medreasoner.events import NOTICE
from medreasoner.page import views
from medreasoner.page.drawn import drawn
from medreasoner.page.examples import Example


class Room:
    """Places the components into the `gr.Blocks` around it.

    Args:
        samples: the model can be asked how sure it is. second: name of a model to compare with; without these `sure`, and `compare` and
            `second`, are None.
    """

    def __init__(self, examples: list[Example], samples: bool = False, second: str | None = None):
        self.session = gr.State(None)  # a visitor's page.session.Session
        drawn("header")
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="seeing"):
                self._seeing([views.thumbnail(example) for example in examples])
            with gr.Column(elem_id="saying"):
                self._saying(samples, second)

    def _seeing(self, thumbnails: list[dict]) -> None:
        self.viewer = drawn("viewer", None, ("viewer", "zoom", "shades", "planes"))
        with gr.Row(elem_id="under"):
            self.layers = drawn("layers", None, ("layers", "edit", "keys"))
            self.upload = gr.UploadButton("Open image", elem_id="open-image", type="filepath")
        self.strip = drawn("examples", thumbnails, ("examples",), visible=bool(thumbnails))

    def _saying(self, samples: bool, second: str | None) -> None:
        with gr.Column(elem_id="asking"):
            self.question = gr.Textbox(
                label="Question", lines=2, max_lines=5, placeholder="Ask about one place in the image"
            )
            with gr.Row(elem_id="actions"):
                self.ask = gr.Button("Ask", variant="primary", elem_id="ask")
                self.compare = gr.Button("Compare", elem_id="compare") if second else None
                self.stop = gr.Button(
                    "Stop", elem_id="stop", interactive=False
                )  # from here on, status.js enables the two
                gr.HTML(f"<p>{NOTICE}</p>", elem_id="notice")
        self.status = drawn("status", views.status("empty"), ("status",))
        answering = {"elem_classes": ["answering"]}  # one look for all that is said about an answer
        with gr.Column(elem_id="answers"):
            self.reading = drawn("reading", views.reading(), ("reading",), **answering)
            self.sure = drawn("sure", {}, ("sure",), **answering) if samples else None
            self.second = (
                drawn("second", {}, ("../reading/reading", "second"), **answering) if second else None
            )
        self.take = drawn("take", {}, ("take",))

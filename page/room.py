"""The components of the page and where they stand; what happens when they are used is in `app.py`.

Is: the reading room: header, viewer, layers and examples on one side, question, reasoning and files on the other. Is not: any event.
"""

import gradio as gr

from medreasoner.events import NOTICE
from page import views
from page.drawn import drawn
from page.examples import Example


class Room:
    """Places the components into the `gr.Blocks` around it."""

    def __init__(self, examples: list[Example]):
        self.session = gr.State(None)  # a visitor's page.session.Session
        drawn("header")
        with gr.Row(elem_id="room"):
            with gr.Column(elem_id="seeing"):
                self._seeing([views.thumbnail(example) for example in examples])
            with gr.Column(elem_id="saying"):
                self._saying()

    def _seeing(self, thumbnails: list[dict]) -> None:
        self.viewer = drawn("viewer", None, ("viewer", "zoom", "shades", "planes"))
        with gr.Row(elem_id="under"):
            self.layers = drawn("layers", None, ("layers", "edit", "keys"))
            self.upload = gr.UploadButton("Open image", elem_id="open-image", type="filepath")
        self.strip = drawn("examples", thumbnails, ("examples",), visible=bool(thumbnails))

    def _saying(self) -> None:
        with gr.Column(elem_id="asking"):
            self.question = gr.Textbox(label="Question", lines=2, max_lines=5, placeholder="Ask about one place in the image")
            with gr.Row(elem_id="actions"):
                self.ask = gr.Button("Ask", variant="primary", elem_id="ask")
                self.stop = gr.Button("Stop", elem_id="stop", interactive=False)  # from here on, status.js enables the two
                gr.HTML(f"<p>{NOTICE}</p>", elem_id="notice")
        self.status = drawn("status", views.status("empty"), ("status",))
        self.reading = drawn("reading", views.reading(), ("reading",))
        self.take = drawn("take", {}, ("take",))

"""The components of the page and where they stand. What happens when they are used is in `page.py`."""

from collections.abc import Sequence

import gradio as gr

from medreasoner.events import NOTICE
from medreasoner.page import answer_view
from medreasoner.page.component import component
from medreasoner.page.examples import Example
from medreasoner.page.image_view import thumbnail
from medreasoner.page.updates import Values


class Layout:
    """Places the components into the `gr.Blocks` around it: the question and its answer, which come first for
    the keyboard and stand on the right, and the image with its tools on the left.

    Args:
        examples: offered where the answer will stand.
        samples: the model can be asked how sure it is; without it `confidence` is None.
        volumes: a whole stack can be asked; without it `ask_volume` is None.
        second: name of a model to compare with; without one `compare` is None.
        models, segmenters: names to choose from; without them `model` and `segmenter` are None.
        thinks_on_request: the model can answer at once too; without it the switch `think` is hidden.
    """

    def __init__(
        self,
        examples: list[Example],
        samples: bool = False,
        second: str | None = None,
        volumes: bool = False,
        models: Sequence[str] = (),
        segmenters: Sequence[str] = (),
        thinks_on_request: bool = False,
    ) -> None:
        self._volumes = volumes
        self.session = gr.State(None)  # the visitor's page.session.Session
        self.client = gr.JSON({}, visible=False)  # what the browser knows: task, run and image, see page.py
        component("header")
        with gr.Row(elem_id="workspace"):
            with gr.Column(elem_id="answer-column"):
                self._place_actions()
                self._place_question(second is not None)
                self._place_choices(models, segmenters, thinks_on_request)
                self.status = component("status", answer_view.status("empty"))
                self._place_answers(samples)
                thumbnails = [thumbnail(example) for example in examples]
                self.examples = component("examples", thumbnails, visible=bool(examples))
                self.history = component("history", {})
                self.downloads = component("downloads", {})
                with gr.Row(elem_id="foot"):
                    self.worth = component("worth", {})
                    gr.HTML(f"<p>{NOTICE}</p>", elem_id="notice")
            with gr.Column(elem_id="image-column"):
                self._place_image()

    @property
    def run_outputs(self) -> list[gr.blocks.Block]:
        """What a run may change."""
        parts = (
            self.status,
            self.answer,
            self.layers,
            self.downloads,
            self.confidence,
            self.comparison,
            self.history,
            self.volume,
            self.worth,
        )
        return [part for part in parts if part is not None]

    def update(self, values: Values, run: str | None = None, task: str | None = None) -> dict:
        """`values` as Gradio takes them from a handler; a component that this page does not have is left out.

        Args:
            run: id of the run whose answer they are about; None between runs.
            task: id of the click that they answer, for those that stream in. See static/shared/follow.js.
        """
        parts = {name: getattr(self, name) for name in values}
        ids = {name: value for name, value in (("run", run), ("task", task)) if value is not None}
        changed = {part: {**ids, **values[name]} for name, part in parts.items() if part is not None}
        return changed or gr.skip()

    def _place_image(self) -> None:
        self.viewer = component("viewer")
        self.volume = component("volume", {})
        self.layers = component("layers")

    def _place_actions(self) -> None:
        with gr.Row(elem_id="image-actions"):
            self.upload = gr.UploadButton(
                "Open image", elem_id="open-image", type="filepath", file_count="multiple"
            )
            browse = "() => document.querySelector('#workspace').classList.toggle('browsing')"
            button = gr.Button("Examples", elem_id="browse", visible=True)
            button.click(None, js=browse, api_visibility="private")

    def _place_question(self, comparable: bool) -> None:
        with gr.Column(elem_id="question-form"):
            self.question = gr.Textbox(
                label="Question", lines=2, max_lines=5, placeholder="Ask about one place in the image"
            )
            with gr.Row(elem_id="actions"):
                self.ask = gr.Button("Ask", variant="primary", elem_id="ask")
                self.ask_volume = gr.Button("Whole volume", elem_id="ask-volume") if self._volumes else None
                self.compare = gr.Button("Compare", elem_id="compare") if comparable else None
                self.stop = gr.Button("Stop", elem_id="stop", interactive=False)  # status.js enables it

    def _place_choices(self, models: Sequence[str], segmenters: Sequence[str], both: bool) -> None:
        with gr.Row(elem_id="choices"):
            self.think = gr.Checkbox(True, label="Reason first", elem_id="think", visible=both)
            self.model = _choice("Model", models)
            self.segmenter = _choice("Segmenter", segmenters)

    def _place_answers(self, samples: bool) -> None:
        options = {"elem_classes": ["answer-block"]}
        with gr.Column(elem_id="answers"):
            self.answer = component("answer", answer_view.answer(), **options)
            self.confidence = component("confidence", {}, **options) if samples else None
            self.comparison = component("comparison", {}, **options)


def _choice(label: str, names: Sequence[str]) -> gr.Dropdown | None:
    """A list of names to choose one from, the first at start; None where there is no choice."""
    options = {"label": label, "elem_id": label.lower(), "filterable": False}
    return gr.Dropdown(list(names), value=names[0], **options) if names else None

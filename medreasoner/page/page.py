"""The page as one `Blocks`: its components, and which event calls which handler."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import gradio as gr

from medreasoner.imaging.opener import ImageOpener
from medreasoner.page.blocks import Blocks
from medreasoner.page.correction_handlers import CorrectionHandlers
from medreasoner.page.endpoints import Endpoints
from medreasoner.page.examples import Example
from medreasoner.page.file_handlers import FileHandlers
from medreasoner.page.history_handlers import HistoryHandlers
from medreasoner.page.housekeeping import forget_visitor, make_room
from medreasoner.page.layout import Layout
from medreasoner.page.line_handlers import LineHandlers
from medreasoner.page.model import Model
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.model_handlers import ModelHandlers
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.recordings import Recording
from medreasoner.page.run_handlers import RunHandlers
from medreasoner.page.uploads import keep_apart, use_own_folder
from medreasoner.page.volume_handlers import VolumeHandlers
from medreasoner.page.zerogpu import is_zero_gpu

RUNS_AT_ONCE = 1  # a model answers one question at a time; the next visitor waits in line, and is told so
# Run in the browser before a handler: the last input becomes what the workspace holds (task, run, image,
# phase). The second also forgets the task, so that nothing of it is shown any more; see
# static/shared/follow.js.
WITH_CLIENT = "(...inputs) => [...inputs.slice(0, -1), {...document.querySelector('#workspace').dataset}]"
ENDING_TASK = """(...inputs) => {
  const { dataset } = document.querySelector("#workspace");
  const client = {...dataset};
  dataset.task = "";
  return [...inputs.slice(0, -1), client];
}"""
THINK = "(think) => { document.querySelector('#workspace').dataset.think = think ? 'yes' : 'no'; }"
CHOSEN = """(session, client, name) => {
  const { dataset } = document.querySelector("#workspace");
  dataset.NAME = name;
  return [session, {...dataset}, name];
}"""
OPTIONS = {"show_progress": "hidden", "api_visibility": "private"}  # of every event of the page


class Page:
    """Nothing of a visitor is stored here: what one has opened lives in a `session.Session` in `gr.State`.

    Attributes:
        demo: the `gr.Blocks`. layout: its components.
        runs, waiting, corrections, history, files: its event handlers.

    Args:
        model: shared by all visitors; or the models that they may choose from.
        examples: offered below the image.
        recordings: of runs on the examples, for visitors for whom no GPU is free; see `recordings`.
        compare: a second model to ask the same question; without one the page offers no comparison.
    """

    def __init__(
        self,
        model: Model | OfferedModels,
        examples: list[Example],
        recordings: Mapping[tuple[str, str], Recording] = MappingProxyType({}),
        compare: Model | None = None,
    ) -> None:
        use_own_folder()  # before the first component, which asks where to write
        keep_apart()
        models = model if isinstance(model, OfferedModels) else OfferedModels(model)
        first, second = models.first, ModelCalls(compare, "compared") if compare else None
        blocks = {"title": "MedReasoner", "analytics_enabled": False, "fill_width": True}
        with Blocks(delete_cache=(300, 900), **blocks) as self.demo:
            self.demo.space_id = (
                None  # on a Space, Gradio's header would ask huggingface.co and fonts.googleapis.com
            )
            # first, so that theirs are the names `/ground` and `/refine` and not those of the page's own
            # events
            opener = ImageOpener()
            Endpoints(models, opener).place()
            # not on ZeroGPU: its calls are too short for a stack, and what they take has to be copied
            offered = (first.model.can_sample, second and second.name, not is_zero_gpu())
            choices = (models.models, models.segmenters, first.model.thinks_on_request)
            self.layout = Layout(examples, *offered, *choices)
            self.runs = RunHandlers(self.layout, models, second, recordings)
            self.waiting = LineHandlers(self.layout, self.runs.line, models)
            self.files = FileHandlers(self.layout, examples, opener, partial(make_room, self.demo), models)
            self.corrections = CorrectionHandlers(self.layout, models)
            self.volumes = VolumeHandlers(self.layout, models, self.runs, self.corrections, opener)
            self.history = HistoryHandlers(self.layout)
            self.models = ModelHandlers(self.layout, models)
            self._connect_runs()
            self._connect_files()
            self._connect_history()
            self._connect_choices()
            self.demo.unload(self._forget_visitor)
        self.demo.queue(default_concurrency_limit=4, max_size=64)

    def _connect_runs(self) -> None:
        """Events that start, correct or stop a run."""
        layout, runs = self.layout, self.runs
        shown, client = layout.run_outputs, [layout.session, layout.client]
        question = [layout.session, layout.question, layout.client]
        model = {"concurrency_id": "model", "concurrency_limit": RUNS_AT_ONCE, "trigger_mode": "multiple"}
        model |= {"js": WITH_CLIENT, **OPTIONS}
        running = [layout.ask.click(runs.ask, question, shown, **model)]
        self._asked = running[:1]
        if layout.compare:
            running.append(layout.compare.click(runs.compare, question, shown, **model))
        if layout.confidence:
            running.append(layout.confidence.sample(runs.sample, client, shown, **model))
        if layout.ask_volume:
            whole = layout.ask_volume.click(self.volumes.ask, question, shown, **model)
            self._asked.append(whole)
            whole.failure(self.volumes.fail, layout.session, shown, **OPTIONS)
        for event in running:
            event.failure(runs.fail, layout.session, shown, **OPTIONS)
        # an event of its own: Gradio's page calls a second handler of a click when the first has ended
        line = {"concurrency_limit": None, "trigger_mode": "multiple", "js": WITH_CLIENT}
        waiting = layout.status.queued(self.waiting.wait, client, layout.status, **line, **OPTIONS)
        stopping = layout.stop.click(runs.stop, client, shown, js=ENDING_TASK, **OPTIONS)
        at_once = {"trigger_mode": "multiple", **OPTIONS}
        refining = layout.layers.refine(self.volumes.refine, layout.session, shown, **at_once)
        for event in (stopping, waiting, refining):
            self._tell_failure(event)

    def _connect_files(self) -> None:
        """Events that open an image, which ends what runs on the one before, and downloads."""
        layout, files = self.layout, self.files
        opened = [*layout.run_outputs, layout.session, layout.viewer]
        client = [layout.session, layout.client]
        # "multiple": what is clicked while the last click is being answered counts as well
        ending = {"js": ENDING_TASK, "trigger_mode": "multiple", **OPTIONS}
        picking = ending | {"js": WITH_CLIENT}
        fetched = [layout.downloads, layout.status]
        for event in (
            layout.upload.upload(files.open_files, [layout.upload, *client], opened, **ending),
            # in the order of the clicks, so that the last one's example is what stays
            layout.examples.pick(
                files.open_example, client, [*opened, layout.question], concurrency_limit=1, **picking
            ),
            layout.viewer.select_view(files.open_view, client, opened, **ending),
            layout.downloads.fetch(
                files.download, layout.session, fetched, trigger_mode="multiple", **OPTIONS
            ),
        ):
            self._tell_failure(event)

    def _tell_failure(self, event: gr.events.Dependency) -> None:
        """An event that ends in an unforeseen error ends in a sentence, not in a page that waits."""
        event.failure(self.files.fail, self.layout.session, self.layout.status, **OPTIONS)

    def _connect_history(self) -> None:
        """Earlier answers."""
        layout, options = self.layout, {"trigger_mode": "multiple", **OPTIONS}
        for event, handler in (
            (layout.history.recall, self.history.recall),
            (layout.history.contrast, self.history.contrast),
        ):
            self._tell_failure(event(handler, layout.session, layout.run_outputs, **options))

    def _connect_choices(self) -> None:
        """How a question is put, and to which model; the browser keeps it, see `WITH_CLIENT`."""
        layout, client = self.layout, [self.layout.session, self.layout.client]
        layout.think.change(None, layout.think, None, js=THINK, api_visibility="private")
        for name, choice in (("model", layout.model), ("segmenter", layout.segmenter)):
            if choice is not None:
                said, keep = [layout.worth, layout.think], CHOSEN.replace("NAME", name)
                chosen = choice.change(self.models.choose, [*client, choice], said, js=keep, **OPTIONS)
                self._tell_failure(chosen)
                for run in self._asked:
                    told = run.then(self.models.choose, client, said, js=WITH_CLIENT, **OPTIONS)
                    self._tell_failure(told)

    def _forget_visitor(self, request: gr.Request) -> None:
        forget_visitor(self.demo, request.session_hash)

"""Event handlers about a whole stack: ask it, and draw its masks anew after a correction on any slice."""

import threading
from collections.abc import Iterator
from contextlib import closing

import gradio as gr

from medreasoner.geometry import GroundingError, repair
from medreasoner.imaging import ImageError
from medreasoner.imaging.opener import ImageOpener
from medreasoner.messages import without_paths
from medreasoner.page.answer_view import status
from medreasoner.page.answers import Asked
from medreasoner.page.correction_handlers import CorrectionHandlers
from medreasoner.page.endpoints import read_prompt
from medreasoner.page.layout import Layout
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.opened_volume import open_volume
from medreasoner.page.run_handlers import RunHandlers
from medreasoner.page.session import Session
from medreasoner.page.small_stack import SmallStack
from medreasoner.page.updates import Values
from medreasoner.page.volume_calls import VolumeCalls
from medreasoner.page.volume_run import VolumeRun
from medreasoner.page.volume_updates import correction_updates, ended, view_values, volume_updates
from medreasoner.page.volume_view import pictures, strip
from medreasoner.question import refuse
from medreasoner.refine import clicks_inside
from medreasoner.segmenters.base import SegmenterError, SegmenterPrompt


class VolumeHandlers:
    """The handlers of one page.

    Args:
        models: those that visitors may ask. runs, corrections: the handlers of single images.
        opener: of the slices.
    """

    def __init__(
        self,
        layout: Layout,
        models: OfferedModels,
        runs: RunHandlers,
        corrections: CorrectionHandlers,
        opener: ImageOpener,
    ) -> None:
        self._layout, self._models, self._opener = layout, models, opener
        self._runs, self._corrections = runs, corrections

    def ask(self, session: Session | None, question: str, client: dict) -> Iterator[dict]:
        """Ask the whole stack and show its events as they come.

        Args:
            client: as for `RunHandlers.ask`; `fromHere` says that the slice that is shown is to be asked.
        """
        task = yield from self._runs.turn(session, client)
        if task is None:
            return
        try:
            if refusal := refuse(question):
                raise ImageError(refusal)
            stack = SmallStack(open_volume(session.files, session.loaded, self._opener))
        except ImageError as error:
            refused = status(session.settled_phase, without_paths(str(error)), warning=True)
            yield self._layout.update({"status": refused}, task=task)
            return
        with self._runs.line.running(task):
            calls = yield from self._runs.loading(client, session, task)
            if calls is not None:
                asked = Asked(calls.key, client.get("think") != "no")
                view, made = session.loaded.view, calls.model.provenance(question)
                run = VolumeRun(
                    stack.watched(), view, asked, made, id(session.files), view.slice, small=stack
                )
                session.begin_volume(run)
                if session.tasks.is_over(task):  # stopped while the stack was opened or the model was loaded
                    run.stop.set()
                chosen = view.slice if client.get("fromHere") else None
                events = self._calls(run).events(run.volume, question, chosen, asked.think, run.stop)
                yield from self._shown(volume_updates(events, run), run)

    def _calls(self, run: VolumeRun) -> VolumeCalls:
        """The calls to the model that was asked; masks are drawn again by the segmenter that drew them."""
        return VolumeCalls(self._models.asked_with(run.asked.key).model)

    def refine(self, session: Session | None, event: gr.EventData) -> Iterator[dict]:
        """Draw masks again for what the visitor has moved or clicked: that of an image, or those of the
        slices that are reached from the shown one."""
        run = session.volume if session is not None and session.shows_volume else None
        if run is None or not run.found or run.viewing is None:
            yield self._corrections.refine(session, event)
            return
        if run.running:
            yield gr.skip()
            return
        try:
            prompt = read_places(event, run.volume.shape[:0:-1])
        except GroundingError as error:
            yield self._layout.update({"status": status("done", f"{error}.", warning=True)})
            return
        yield from self._shown(self._corrected(run, run.viewing, prompt, event.edit), run)

    def _corrected(
        self, run: VolumeRun, number: int, prompt: SegmenterPrompt | None, edit: int
    ) -> Iterator[Values]:
        run.correct(number, prompt)
        if not run.changed_seeds():
            run.restore()
            yield ended(run, edit=edit)
            return
        run.running, run.stop = True, threading.Event()
        changed = number if number in run.changed_seeds() else None
        masks = self._calls(run).refine(run.volume, run.seeds, changed, run.stop)
        try:
            yield from correction_updates(masks, run, edit)
        except (SegmenterError, ImageError) as error:
            run.running = False
            text = without_paths(f"{error}").rstrip(".") + "."
            yield view_values(run) | {"status": status("done", text, warning=True)}

    def fail(self, session: Session | None) -> dict:
        """A run ended with an unforeseen error; its traceback is in the server's log."""
        if session is None or session.volume is None or not session.volume.running:
            return gr.skip()
        run = session.volume
        run.running = False
        run.status = status("error", "Something broke on our side. Your images and question are still here.")
        return self._layout.update({"status": run.status, "volume": strip(run)})

    def _shown(self, updates: Iterator[Values], run: VolumeRun) -> Iterator[dict]:
        """`updates` for the browser, then the small pictures; nothing once another image was opened."""
        with closing(updates):
            for values in updates:
                if run.dropped:
                    yield gr.skip()
                    return
                yield self._layout.update(values)
        if run.found and not run.running:
            small = pictures(run)
            yield gr.skip() if run.dropped else self._layout.update({"volume": strip(run) | small})


def read_places(event: gr.EventData, image_wh: tuple[int, int]) -> SegmenterPrompt | None:
    """What the browser sent of a slice, which may have a box without points, or clicks alone; None for
    nothing at all. Nothing about it is trusted. Errors: GroundingError."""
    nowhere = ((0, 0), (0, 0))
    grounding, clicks = read_prompt(event.box or (0, 0, 1, 1), event.points or nowhere, event.clicks)
    clicks = clicks_inside(clicks, image_wh)
    if not event.box:
        return SegmenterPrompt(clicks=clicks) if clicks else None
    usable, _ = repair(grounding, image_wh)
    return SegmenterPrompt(usable.box, tuple(usable.points) if event.points else (), clicks)

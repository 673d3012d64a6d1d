"""Event handlers that need a model: ask, compare, sample, correct the mask; and stop.

A handler returns or yields new values of components; those that do not change are left out. Runs are stopped
here and not by Gradio's `cancels`: that waits for the model's next word, and Gradio ignores every click on
Ask meanwhile.
"""

from collections.abc import Iterator, Mapping
from contextlib import closing

import gradio as gr

from medreasoner.geometry import GroundingError
from medreasoner.page import zerogpu
from medreasoner.page.answer_view import status
from medreasoner.page.comparison import both_updates, second_updates
from medreasoner.page.confidence import confidence_updates
from medreasoner.page.endpoints import read_prompt
from medreasoner.page.layout import Layout
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.recordings import Recording, play
from medreasoner.page.session import Session
from medreasoner.page.updates import Values, refined_values, run_updates
from medreasoner.pipeline import refuse
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.replay import image_key
from medreasoner.segmenters.base import SegmenterError

CONNECTION_LOST = "The connection was lost, and your image was dropped with it; open it again."


class RunHandlers:
    """The handlers of one page.

    Args:
        first: the calls to the model. second: those to the model to compare with, if there is one.
        recordings: (image, question) -> a recorded run, for visitors for whom no GPU is free.
    """

    def __init__(
        self,
        layout: Layout,
        first: ModelCalls,
        second: ModelCalls | None,
        recordings: Mapping[tuple[str, str], Recording],
    ) -> None:
        self._layout, self._first, self._second, self._recordings = layout, first, second, recordings

    def ask(self, session: Session | None, question: str, client: dict) -> Iterator[dict]:
        """Run the model on the visitor's image and show its events as they come.

        Args:
            client: what the browser knew at the click: `task`, an id of the click, and `image`, `Session.id`.
        """
        yield from self._ask(session, question, client, compared=False)

    def compare(self, session: Session | None, question: str, client: dict) -> Iterator[dict]:
        """The same with both models, one after the other."""
        yield from self._ask(session, question, client, compared=True)

    def _ask(self, session: Session | None, question: str, client: dict, compared: bool) -> Iterator[dict]:
        if session is None:
            refusal = status("empty", "There is no image yet; open one first.", warning=True)
            yield self._layout.update({"status": refusal})
            return
        task = task_of(client, session)
        if task is None:
            return
        refusal = refuse(question)
        if refusal is not None:
            refused = status(session.phase, refusal, warning=True)
            yield self._layout.update({"status": refused}, task=task)
            return
        session.begin(task, self._first.model.provenance(question), compared)
        updates = self._first_updates(session, question)
        if compared:
            events = self._second.events(session.loaded.image, question, session.second_cache)
            second = second_updates(events, session, self._second.name)
            updates = both_updates(updates, self._with_errors(second))
        yield from self._shown(updates, session, task)

    def _first_updates(self, session: Session, question: str) -> Iterator[Values]:
        """The first model's answer or, where no GPU is free, its recorded answer to an example."""
        image = session.loaded.image
        try:
            with closing(self._first.events(image, question, session.cache)) as events:
                yield from run_updates(events, session)
        except gr.Error as error:
            without_gpu = zerogpu.is_without_gpu(error.title)
            recording = self._recordings.get((image_key(image), question)) if without_gpu else None
            if recording is None:
                yield {"status": status("error", zerogpu.error_message(error.title, error.message))}
                return
            yield from run_updates(play(recording), session)

    def sample(self, session: Session | None, client: dict) -> Iterator[dict]:
        """Ask the first model the same question again a few times, and show how far it agrees with itself."""
        if session is None:
            yield self._layout.update({"status": status("error", CONNECTION_LOST)})
            return
        task = task_of(client, session)
        if task is None or session.done is None:
            return
        samples = self._first.samples(session.loaded.image, session.provenance.question, session.cache)
        updates = self._with_errors(confidence_updates(samples, session), "done")
        yield from self._shown(updates, session, task)

    def refine(self, session: Session | None, event: gr.EventData) -> dict:
        """Draw the mask again for what the visitor has moved or clicked."""
        if session is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        if session.done is None:
            return gr.skip()
        run = session.run
        try:
            prompt = read_prompt(event.box, event.points, event.clicks)
            refined = self._first.refine(session.loaded.image, *prompt, session.cache)
        except (GroundingError, SegmenterError) as error:
            return self._layout.update({"status": status("done", f"{error}.", warning=True)}, run)
        except gr.Error as error:
            message = zerogpu.error_message(error.title, error.message)
            return self._layout.update({"status": status("done", message, warning=True)}, run)
        if session.run != run or session.done is None:  # the visitor has asked anew meanwhile
            return gr.skip()
        session.correct(refined)
        return self._layout.update(refined_values(session, refined, event.edit), run)

    def stop(self, session: Session | None, client: dict) -> dict:
        """End what the last click has started, or take it out of the line. The text so far stays, and an
        answer that was there can still be corrected."""
        if session is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        session.ended.add(client.get("task"))
        return self._layout.update(
            {"status": status("stopped" if session.done is None else "done", "Stopped")}
        )

    def fail(self, session: Session | None) -> dict:
        """A run ended with an unforeseen error; its traceback is in the server's log."""
        if session is None or session.failed_run is None or session.failed_run != session.run:
            return gr.skip()
        text = "Something broke on our side. Your image and question are still here."
        return self._layout.update({"status": status("error", text)}, session.run)

    def _shown(self, updates: Iterator[Values], session: Session, task: str) -> Iterator[dict]:
        """`updates` for the browser, until the visitor stops them or opens another image."""
        with session.recording_failure(), closing(updates):
            for values in updates:
                if session.is_over(task):
                    return
                if session.compared and "answer" in values:
                    values = {**values, "answer": {**values["answer"], "name": self._first.name}}
                yield self._layout.update(values, session.run, task)

    def _with_errors(self, updates: Iterator[Values], phase: str = "error") -> Iterator[Values]:
        """`updates`, and after them one sentence about what a model or ZeroGPU refused."""
        try:
            yield from updates
        except gr.Error as error:
            yield {"status": status(phase, zerogpu.error_message(error.title, error.message))}
        except ReasonerError as error:
            yield {"status": status(phase, f"{error}.")}


def task_of(client: dict, session: Session) -> str | None:
    """The id of the click that started a task; None where it has been stopped in line or meant an earlier
    image."""
    task = str(client.get("task") or "")
    return None if client.get("image") != session.id or not task or session.is_over(task) else task

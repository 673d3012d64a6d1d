"""Event handlers that need a model: ask, compare, sample; and stop.

A handler returns or yields new values of components; those that do not change are left out. One that has
nothing to say yields `gr.skip()`, for Gradio empties the outputs of a generator that yields nothing. Runs are
stopped here and not by Gradio's `cancels`: that waits for the model's next word, and Gradio ignores every
click on Ask meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing

import gradio as gr

from medreasoner.page import zerogpu
from medreasoner.page.answer_view import status
from medreasoner.page.comparison import both_updates, second_updates
from medreasoner.page.confidence import confidence_updates
from medreasoner.page.layout import Layout
from medreasoner.page.line import Line
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.recordings import LINKED, Recording, play
from medreasoner.page.session import Session
from medreasoner.page.updates import Values, run_updates
from medreasoner.question import refuse
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.replay import image_key

POLL_SECONDS = 0.5  # between two looks at the line
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
        self._line = Line()

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
            lost = status("error", CONNECTION_LOST)
            yield self._layout.update({"status": lost if client.get("image") else refusal})
            return
        task = session.task_of(client)
        if task is None:
            yield gr.skip()
            return
        session.begun.add(task)
        refusal = refuse(question)
        if refusal is not None:
            refused = status(session.settled_phase, refusal, warning=True)
            yield self._layout.update({"status": refused}, task=task)
            return
        session.begin(task, self._first.model.provenance(question), compared)
        recording = self._recording(session, question) if client.get("recorded") else None
        linked = recording is not None
        updates = (
            run_updates(play(recording, LINKED), session)
            if linked
            else self._first_updates(session, question)
        )
        if compared:
            events = self._second.events(session.loaded.image, question, session.second_cache)
            second = second_updates(events, session, self._second.name)
            updates = both_updates(updates, self._with_errors(second))
        with self._line.running(task):
            yield from self._shown(updates, session, task)

    async def wait(self, session: Session | None, client: dict) -> AsyncIterator[dict]:
        """Say how long the line is, until the question of this click has its turn."""
        task = session.task_of(client) if session is not None else None
        if task is None:
            yield gr.skip()
            return
        with self._line.waiting(task):
            while task not in session.begun and not session.is_over(task):
                said = self._line.sentence(task, self._first.typical_seconds)
                if said:
                    yield self._layout.update({"status": status("waiting", said)}, task=task)
                await asyncio.sleep(POLL_SECONDS)
        yield gr.skip()  # Gradio hands over a generator's last value once more when it ends

    def _first_updates(self, session: Session, question: str) -> Iterator[Values]:
        """The first model's answer or, where no GPU is free, its recorded answer to an example."""
        image = session.loaded.image
        try:
            with closing(self._first.events(image, question, session.cache, session.prepared)) as events:
                yield from run_updates(events, session)
        except gr.Error as error:
            without_gpu = zerogpu.is_without_gpu(error.title)
            recording = self._recording(session, question) if without_gpu else None
            if recording is None:
                yield {"status": status("error", zerogpu.error_message(error.title, error.message))}
                return
            yield from run_updates(play(recording), session)

    def _recording(self, session: Session, question: str) -> Recording | None:
        return self._recordings.get((image_key(session.loaded.image), question))

    def sample(self, session: Session | None, client: dict) -> Iterator[dict]:
        """Ask the first model the same question again a few times, and show how far it agrees with itself."""
        if session is None:
            yield self._layout.update({"status": status("error", CONNECTION_LOST)})
            return
        task = session.task_of(client)
        if task is None or session.done is None:
            yield gr.skip()
            return
        samples = self._first.samples(session.loaded.image, session.provenance.question, session.cache)
        updates = self._with_errors(confidence_updates(samples, session), "done")
        yield from self._shown(updates, session, task)

    def stop(self, session: Session | None, client: dict) -> dict:
        """End what the last click has started, or take it out of the line. The text so far stays, and an
        answer that was there can still be corrected."""
        if session is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        session.ended.add(client.get("task"))
        return self._layout.update(
            {"status": status("stopped" if session.shown is None else "done", "Stopped")}
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
                    yield gr.skip()
                    return
                session.phase = values.get("status", {}).get("phase", session.phase)
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

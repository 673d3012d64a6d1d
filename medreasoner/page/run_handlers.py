"""Event handlers that need a model: ask, compare, sample; and stop.

A handler returns or yields new values of components; those that do not change are left out. One that has
nothing to say yields `gr.skip()`, for Gradio empties the outputs of a generator that yields nothing. Runs are
stopped here and not by Gradio's `cancels`: that waits for the model's next word, and Gradio ignores every
click on Ask meanwhile.
"""

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing

import gradio as gr

from medreasoner.page import zerogpu
from medreasoner.page.answer_view import status
from medreasoner.page.answers import Asked
from medreasoner.page.comparison import both_updates, second_updates
from medreasoner.page.confidence import confidence_updates
from medreasoner.page.layout import Layout
from medreasoner.page.line import Line
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.model_handlers import loaded
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.recordings import LINKED, Recording, play
from medreasoner.page.session import Session
from medreasoner.page.updates import Values, run_updates
from medreasoner.question import refuse
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.replay import image_key

CONNECTION_LOST = "The connection was lost, and your image was dropped with it; open it again."


class RunHandlers:
    """The handlers of one page.

    Args:
        models: those that visitors may ask. second: the calls to the model to compare with, if there is one.
        recordings: (image, question) -> a recorded run, for visitors for whom no GPU is free.
    """

    def __init__(
        self,
        layout: Layout,
        models: OfferedModels,
        second: ModelCalls | None,
        recordings: Mapping[tuple[str, str], Recording],
    ) -> None:
        self._layout, self._models, self._second, self._recordings = layout, models, second, recordings
        self.line = Line()

    def ask(self, session: Session | None, question: str, client: dict) -> Iterator[dict]:
        """Run the model on the visitor's image and show its events as they come.

        Args:
            client: what the browser knew at the click: `task`, an id of the click, `image`, `Session.id`, and
                `model`, `segmenter` and `think`, which have been chosen.
        """
        yield from self._ask(session, question, client, compared=False)

    def compare(self, session: Session | None, question: str, client: dict) -> Iterator[dict]:
        """The same with both models, one after the other."""
        yield from self._ask(session, question, client, compared=True)

    def _ask(self, session: Session | None, question: str, client: dict, compared: bool) -> Iterator[dict]:
        task = yield from self.turn(session, client)
        if task is None:
            return
        refusal = refuse(question)
        if refusal is not None:
            refused = status(session.settled_phase, refusal, warning=True)
            yield self._layout.update({"status": refused}, task=task)
            return
        with self.line.running(task):
            calls = yield from self.loading(client, session, task)
            if calls is not None and not session.tasks.is_over(task):
                updates = self._updates(calls, session, question, client, compared)
                yield from self._shown(updates, session, task)

    def turn(self, session: Session | None, client: dict) -> Generator[dict, None, str | None]:
        """The task of a click on Ask, which has its turn now; None where it is not to run, which the value
        before that says."""
        task = session.tasks.of(client) if session is not None else None
        if session is None:
            refusal = status("empty", "There is no image yet; open one first.", warning=True)
            lost = status("error", CONNECTION_LOST)
            yield self._layout.update({"status": lost if client.get("image") else refusal})
        elif task is None:
            yield gr.skip()
        else:
            session.tasks.begun.add(task)
        return task

    def _updates(
        self, calls: ModelCalls, session: Session, question: str, client: dict, compared: bool
    ) -> Iterator[Values]:
        """Begin a run: what to show of it, or of two."""
        asked = Asked(calls.key, client.get("think") != "no")
        session.begin(client["task"], calls.model.provenance(question), compared, asked)
        recording = self._recording(session, question) if client.get("recorded") else None
        if recording is not None:
            updates = run_updates(play(recording, LINKED), session)
        else:
            updates = self._first_updates(calls, session, question)
        if compared:
            second = second_updates(
                self._second.answer(session, question, asked.think), session, self._second.name
            )
            updates = both_updates(updates, self._with_errors(second))
        return updates

    def loading(self, client: dict, session: Session, task: str) -> Generator[dict, None, ModelCalls | None]:
        """The calls to the chosen models, loaded if nobody has asked them yet; None where they cannot be."""
        loading = loaded(self._models, self._models.chosen(client), session.settled_phase)
        while True:
            try:
                yield self._layout.update(next(loading), task=task)
            except StopIteration as ended:
                return ended.value

    def _first_updates(self, calls: ModelCalls, session: Session, question: str) -> Iterator[Values]:
        """The first model's answer or, where no GPU is free, its recorded answer to an example."""
        try:
            with closing(calls.answer(session, question, session.asked.think)) as events:
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
        """Ask the model of the shown answer the same question again a few times, and show how far it agrees
        with itself."""
        if session is None:
            yield self._layout.update({"status": status("error", CONNECTION_LOST)})
            return
        task = session.tasks.of(client)
        if task is None or session.done is None:
            yield gr.skip()
            return
        key, think = session.shown.asked
        calls, question = self._models.asked_with(key), session.provenance.question
        samples = calls.samples(session.loaded.image, question, think, session.cache_of(calls.key))
        updates = self._with_errors(confidence_updates(samples, session), "done")
        yield from self._shown(updates, session, task)

    def stop(self, session: Session | None, client: dict) -> Iterator[dict]:
        """End what the last click has started, or take it out of the line. The text so far stays, and an
        answer that was there can still be corrected."""
        if session is None:
            yield self._layout.update({"status": status("error", CONNECTION_LOST)})
        else:
            session.tasks.ended.add(client.get("task"))
            if session.volume is not None and session.volume.running:
                yield self._layout.update({"status": status("outlining", "Stopping")})
                session.volume.stop.set()  # not before it is said: what the run says at its end is to be last
            else:
                phase = "stopped" if session.shown is None else "done"
                yield self._layout.update({"status": status(phase, "Stopped")})
        yield gr.skip()  # Gradio hands over a generator's last value once more when it ends

    def fail(self, session: Session | None) -> dict:
        """A run ended with an unforeseen error; its traceback is in the server's log."""
        if session is None or session.tasks.failed_run is None or session.tasks.failed_run != session.run:
            return gr.skip()
        text = "Something broke on our side. Your image and question are still here."
        return self._layout.update({"status": status("error", text)}, session.run)

    def _shown(self, updates: Iterator[Values], session: Session, task: str) -> Iterator[dict]:
        """`updates` for the browser, until the visitor stops them or opens another image."""
        with session.tasks.recording_failure(session.run), closing(updates):
            for values in updates:
                if session.tasks.is_over(task):
                    yield gr.skip()
                    return
                session.phase = values.get("status", {}).get("phase", session.phase)
                if session.phase == "done" and session.modality is None and session.named_modality:
                    values = {**values, "worth": self._models.described(session.asked.key, session)}
                if session.compared and "answer" in values:
                    name = self._models.asked_with(session.asked.key).name
                    values = {**values, "answer": {**values["answer"], "name": name}}
                yield self._layout.update(values, session.run, task)

    def _with_errors(self, updates: Iterator[Values], phase: str = "error") -> Iterator[Values]:
        """`updates`, and after them one sentence about what a model or ZeroGPU refused."""
        try:
            yield from updates
        except gr.Error as error:
            yield {"status": status(phase, zerogpu.error_message(error.title, error.message))}
        except ReasonerError as error:
            yield {"status": status(phase, f"{error}.")}

"""Event handlers that need a model: ask, compare, sample, correct the mask; and what ends a run.

A handler returns or yields new values of components; those that do not change are left out.
"""

import uuid
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
    """Args:
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

    def ask(self, session: Session | None, question: str) -> Iterator[dict]:
        """Run the model on the visitor's image and show its events as they come."""
        yield from self._ask(session, question, compared=False)

    def compare(self, session: Session | None, question: str) -> Iterator[dict]:
        """The same with both models, one after the other."""
        yield from self._ask(session, question, compared=True)

    def _ask(self, session: Session | None, question: str, compared: bool) -> Iterator[dict]:
        refusal = "There is no image yet; open one first." if session is None else refuse(question)
        if refusal is not None:
            yield self._layout.update({"status": status("error", refusal)})
            return
        session.begin(uuid.uuid4().hex, self._first.model.provenance(question), compared)
        updates = self._first_updates(session, question)
        if compared:
            events = self._second.events(session.loaded.image, question, session.second_cache)
            second = second_updates(events, session, self._second.name)
            updates = both_updates(updates, self._with_errors(second))
        yield from self._shown(updates, session)

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

    def sample(self, session: Session | None) -> Iterator[dict]:
        """Ask the first model the same question again a few times, and show how far it agrees with itself."""
        if session is None:
            yield self._layout.update({"status": status("error", CONNECTION_LOST)})
            return
        if session.done is None:
            return
        samples = self._first.samples(session.loaded.image, session.provenance.question, session.cache)
        yield from self._shown(self._with_errors(confidence_updates(samples, session), "done"), session)

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
            return self._layout.update({"status": status("done", f"{error}.")}, run)
        except gr.Error as error:
            message = zerogpu.error_message(error.title, error.message)
            return self._layout.update({"status": status("done", message)}, run)
        if session.run != run or session.done is None:  # the visitor has asked anew meanwhile
            return gr.skip()
        session.correct(refined)
        return self._layout.update(refined_values(session, refined, event.edit), run)

    def stop(self, session: Session | None) -> dict:
        """The run has been cancelled by the same click; its text stays, and an answer that was there can
        still be corrected."""
        answered = session is not None and session.done is not None
        return self._layout.update({"status": status("done" if answered else "stopped", "Stopped")})

    def fail(self, session: Session | None) -> dict:
        """A run ended with an unforeseen error; its traceback is in the server's log. Gradio may also call
        this for a run that was cancelled, even when the next one has begun: that one must go on."""
        if session is None or session.failed_run is None or session.failed_run != session.run:
            return gr.skip()
        text = "Something broke on our side. Your image and question are still here."
        return self._layout.update({"status": status("error", text)}, session.run)

    def _shown(self, updates: Iterator[Values], session: Session) -> Iterator[dict]:
        with session.recording_failure(), closing(updates):
            for values in updates:
                if session.compared and "answer" in values:
                    values = {**values, "answer": {**values["answer"], "name": self._first.name}}
                yield self._layout.update(values, session.run)

    def _with_errors(self, updates: Iterator[Values], phase: str = "error") -> Iterator[Values]:
        """`updates`, and after them one sentence about what a model or ZeroGPU refused."""
        try:
            yield from updates
        except gr.Error as error:
            yield {"status": status(phase, zerogpu.error_message(error.title, error.message))}
        except ReasonerError as error:
            yield {"status": status(phase, f"{error}.")}

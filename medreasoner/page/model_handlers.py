"""The choice of models on the page: loading one when it is first asked, and what is said of it."""

from collections.abc import Generator

import gradio as gr

from medreasoner.page.answer_view import status
from medreasoner.page.layout import Layout
from medreasoner.page.model_calls import ModelCalls
from medreasoner.page.offered_models import Choice, OfferedModels
from medreasoner.page.session import Session
from medreasoner.page.updates import Values
from medreasoner.reasoners.base import ReasonerError
from medreasoner.segmenters.base import SegmenterError


def loaded(models: OfferedModels, choice: Choice, phase: str) -> Generator[Values, None, ModelCalls | None]:
    """The calls to the chosen pair, which is loaded if nobody has asked it yet. Yields what to show
    meanwhile; None where it cannot be loaded, which the last value says.

    Args:
        phase: of the status line then.
    """
    if models.loaded(choice) is None:
        said = f"Loading {choice.spoken}; the models in memory take {models.memory()}"
        yield {"status": status("loading", said)}
    try:
        return models.calls(choice)
    except (ReasonerError, SegmenterError) as error:
        said = f"{choice.spoken} cannot be loaded, choose another: {error}."
        yield {"status": status(phase, said, warning=True)}
    return None


class ModelHandlers:
    """The handlers of one page."""

    def __init__(self, layout: Layout, models: OfferedModels) -> None:
        self._layout, self._models = layout, models

    def choose(self, session: Session | None, client: dict, _: str | None = None) -> dict:
        """Say what the chosen model is worth and what memory it takes; if it is loaded, let it take in the
        visitor's image. Called too when a run has ended, which may have loaded it."""
        choice = self._models.chosen(client)
        calls = self._models.loaded(choice)
        if calls is not None and session is not None:
            calls.prepare(session)
        worth = self._models.described(choice, session)
        # what a model can do is known once it is loaded
        both = calls is None or calls.model.thinks_on_request
        return {**self._layout.update({"worth": worth}), self._layout.think: gr.update(visible=both)}

"""Event handlers of corrections: the segmenter draws the mask again for what the visitor has moved or
clicked."""

import gradio as gr

from medreasoner.geometry import GroundingError
from medreasoner.page import zerogpu
from medreasoner.page.answer_view import status
from medreasoner.page.endpoints import read_prompt
from medreasoner.page.layout import Layout
from medreasoner.page.offered_models import OfferedModels
from medreasoner.page.run_handlers import CONNECTION_LOST
from medreasoner.page.session import Session
from medreasoner.page.updates import refined_text, refined_values
from medreasoner.segmenters.base import SegmenterError


class CorrectionHandlers:
    """The handlers of one page. A mask is drawn again by the segmenter that drew it."""

    def __init__(self, layout: Layout, models: OfferedModels) -> None:
        self._layout, self._models = layout, models

    def refine(self, session: Session | None, event: gr.EventData) -> dict:
        """Draw the mask again for what the visitor has moved or clicked."""
        if session is None:
            return self._layout.update({"status": status("error", CONNECTION_LOST)})
        if session.done is None:
            return gr.skip()
        run, refused = session.run, ""
        try:
            said = self._refined(session, event)
        except (GroundingError, SegmenterError) as error:
            refused = f"{error}."
        except gr.Error as error:
            refused = zerogpu.error_message(error.title, error.message)
        if refused:
            return self._layout.update({"status": status("done", refused, warning=True)}, run)
        return self._layout.update(refined_values(session, said, event.edit), run) if said else gr.skip()

    def _refined(self, session: Session, event: gr.EventData) -> str:
        """Correct the shown answer; what the status line says then, "" where the visitor has asked anew or
        corrected further meanwhile: corrections are answered side by side, and a later one may be done
        first. Errors: GroundingError, SegmenterError, gr.Error."""
        if event.edit < session.edit:
            return ""
        session.edit, shown = event.edit, session.shown
        grounding, clicks = read_prompt(event.box, event.points, event.clicks)
        if shown.is_models_own(grounding, clicks):
            shown.restore()
            return "Done"
        calls = self._models.asked_with(shown.asked.key)
        refined = calls.refine(session.loaded.image, grounding, clicks, session.cache_of(calls.key))
        if session.shown is not shown or event.edit < session.edit:
            return ""
        session.correct(refined)
        return refined_text(refined)

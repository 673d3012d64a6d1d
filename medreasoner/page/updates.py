"""Turns the events of a run, and corrections of its mask, into new values for the components."""

import time
from collections.abc import Iterator

from medreasoner.events import Absent, Done, Event, Failed, Located, Segmented, Thinking
from medreasoner.page import answer_view, downloads, image_view
from medreasoner.page.answers import AnsweredQuestion
from medreasoner.page.details import answer_rows, detail_rows
from medreasoner.page.finding import headline, line
from medreasoner.page.session import Session
from medreasoner.refine import Refined

TEXT_INTERVAL = 0.05  # seconds between two updates of the reasoning: smooth to the eye, and next to free

Values = dict[
    str, dict
]  # name of a component in `layout.Layout` -> its new value; what does not change is left out


def run_updates(events: Iterator[Event], session: Session) -> Iterator[Values]:
    """What to show as `events` come; the end of the run is stored in `session`."""
    loaded = session.loaded
    question = session.provenance.question or ""
    asked = {"question": question}
    empty = {"layers": {}, "downloads": {}, "confidence": {}, "comparison": {}}
    reading = answer_view.status("reading", "Reading the image")
    yield {"status": reading, "answer": answer_view.answer(headline=asked), **empty}
    think, located, shown_at = "", None, None
    for event in events:
        match event:
            case Thinking(text):
                think += text
                if shown_at is None:
                    yield {"status": answer_view.status("thinking", "Thinking")}
                if shown_at is None or time.monotonic() - shown_at >= TEXT_INTERVAL:
                    shown_at = time.monotonic()
                    yield {"answer": answer_view.answer(think, headline=asked)}
            case Located():
                located = event
                yield {
                    "status": answer_view.status("outlining", "Outlining"),
                    "layers": image_view.layers(event.grounding, loaded.image.size),
                    "answer": answer_view.answer(think, headline=asked),
                }
            case Segmented(mask):
                options = {"mask": mask, "spacing_mm": loaded.spacing_mm}
                yield {"layers": image_view.layers(located.grounding, loaded.image.size, **options)}
            case Done() | Absent():
                session.end(event)
                yield {
                    "status": answer_view.status("done", "Done"),
                    "answer": finished_answer(session),
                    "history": history(session),
                    "downloads": downloads.offered(session),
                    "confidence": {"offered": isinstance(event, Done)},
                }
            case Failed():
                rows = answer_rows(located.grounding, loaded.spacing_mm) if located else []
                status, answer = answer_view.failure(event, think, rows, question)
                yield {"status": status, "answer": answer}


def refined_values(session: Session, said: str, edit: int) -> Values:
    """What to show once a correction has been drawn, and `said` on the status line. `edit` numbers it, so
    that the browser can drop one that comes late."""
    return {
        "status": answer_view.status("done", said),
        "answer": finished_answer(session),
        "layers": shown_layers(session.shown, session) | {"edit": edit},
        "downloads": downloads.offered(session),
        "history": history(session),
    }


def refined_text(refined: Refined) -> str:
    """What the status line says of a correction."""
    return f"Outlined again in {refined.seconds:.2f} s"


def recalled_values(session: Session) -> Values:
    """What to show of an answer that is shown again."""
    return {
        "status": answer_view.status("done", "Done"),
        "answer": finished_answer(session),
        "layers": shown_layers(session.shown, session),
        "downloads": downloads.offered(session),
        "confidence": {"offered": session.done is not None},
        "comparison": {},
        "history": history(session),
    }


def shown_layers(answer: AnsweredQuestion, session: Session) -> dict:
    """The layers of an answer; none where nothing was found."""
    result, loaded = answer.result, session.loaded
    if isinstance(result, Absent):
        return {}
    size, spacing = loaded.image.size, loaded.spacing_mm
    return image_view.layers(result.grounding, size, result.mask, answer.clicks, spacing)


def finished_answer(session: Session, answer: AnsweredQuestion | None = None) -> dict:
    """An answer whose run has ended, before or after corrections; that which is shown if none is given."""
    answer = answer or session.shown
    result = answer.result
    places = answer_view.places(answer.model_result) if result.found else []
    return answer_view.answer(
        result.think,
        detail_rows(answer, session.loaded, session.truth),
        result.notes,
        answer_view.timings(result),
        places=places,
        headline=headline(answer, session.loaded),
    )


def history(session: Session) -> dict:
    """The answers about this image, the oldest first, and which is shown."""
    lines = [line(answer, session.loaded) for answer in session.answers]
    return {"lines": lines, "shown": session.shown.id if session.shown is not None else None}

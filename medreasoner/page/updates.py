"""Turns the events of a run, and corrections of its mask, into new values for the components."""

import time
from collections.abc import Iterator

from medreasoner.events import Absent, Done, Event, Failed, Located, Segmented, Thinking
from medreasoner.page import answer_view, downloads, image_view
from medreasoner.page.session import Session
from medreasoner.refine import Refined

TEXT_INTERVAL = 0.05  # seconds between two updates of the reasoning: smooth to the eye, and next to free

Values = dict[
    str, dict
]  # name of a component in `layout.Layout` -> its new value; what does not change is left out


def run_updates(events: Iterator[Event], session: Session) -> Iterator[Values]:
    """What to show as `events` come; the end of the run is stored in `session`."""
    loaded = session.loaded
    empty = {"layers": {}, "downloads": {}, "confidence": {}, "comparison": {}}
    reading = answer_view.status("reading", "Reading the image")
    yield {"status": reading, "answer": answer_view.answer(), **empty}
    think, located, shown_at = "", None, None
    for event in events:
        match event:
            case Thinking(text):
                think += text
                if shown_at is None:
                    yield {"status": answer_view.status("thinking", "Thinking")}
                if shown_at is None or time.monotonic() - shown_at >= TEXT_INTERVAL:
                    shown_at = time.monotonic()
                    yield {"answer": answer_view.answer(think)}
            case Located():
                located = event
                rows = answer_view.answer_rows(event.grounding, loaded.spacing_mm)
                yield {
                    "status": answer_view.status("outlining", "Outlining"),
                    "layers": image_view.layers(event.grounding, loaded.image.size),
                    "answer": answer_view.answer(think, rows, event.notes),
                }
            case Segmented(mask):
                yield {"layers": image_view.layers(located.grounding, loaded.image.size, mask)}
            case Done():
                session.end(event)
                offers = {"downloads": downloads.offered(session), "confidence": {"offered": True}}
                done = answer_view.status("done", "Done")
                yield {"status": done, "answer": finished_answer(session), **offers}
            case Absent():
                yield {
                    "status": answer_view.status("done", "Not seen in this image"),
                    "answer": answer_view.answer(event.think, [], event.notes),
                }
            case Failed():
                rows = answer_view.answer_rows(located.grounding, loaded.spacing_mm) if located else []
                status, answer = answer_view.failure(event, think, rows)
                yield {"status": status, "answer": answer}


def refined_values(session: Session, refined: Refined, edit: int) -> Values:
    """What to show once a correction has been drawn. `edit` numbers it, so that the browser can drop one that
    comes late."""
    layers = image_view.layers(refined.grounding, session.loaded.image.size, refined.mask, refined.clicks)
    return {
        "status": answer_view.status("done", f"Outlined again in {refined.seconds:.2f} s"),
        "answer": finished_answer(session),
        "layers": layers | {"edit": edit},
        "downloads": downloads.offered(session),
    }


def finished_answer(session: Session) -> dict:
    """The answer of a finished run, before or after corrections."""
    done, loaded = session.done, session.loaded
    rows = answer_view.answer_rows(done.grounding, loaded.spacing_mm, done.mask)
    if session.corrected:
        rows.insert(0, answer_view.correction_row(session.clicks))
    if session.truth is not None:
        rows.append(answer_view.truth_row(session.truth, done.grounding, done.mask))
    times, places = answer_view.timings(done), answer_view.places(done)
    return answer_view.answer(done.think, rows, done.notes, times, places=places)

"""A run and a correction as the page shows them: events in, values for the components out, by the component's name.

Is: Event -> {"status", "reading", "layers", "take", "sure", "second"}; what does not change is left out. Is not: Gradio; `app.py` knows
which component a name stands for.
"""

import time
from collections.abc import Iterator

from medreasoner.events import Absent, Done, Event, Failed, Located, Segmented, Thinking
from medreasoner.page import files, views
from medreasoner.page.session import Session
from medreasoner.refine import Refined

TEXT_EVERY = (
    0.05  # seconds between two updates of the reasoning: smooth to the eye, and next to free for the model
)

Values = dict[str, dict]


def run_values(events: Iterator[Event], session: Session) -> Iterator[Values]:
    """What to show as `events` come; the end of the run is left in `session`."""
    loaded = session.loaded
    empty = {"layers": {}, "take": {}, "sure": {}, "second": {}}
    yield {"status": views.status("reading", "Reading the image"), "reading": views.reading(), **empty}
    think, located, shown_at = "", None, None
    for event in events:
        match event:
            case Thinking(text):
                think += text
                if shown_at is None:
                    yield {"status": views.status("thinking", "Thinking")}
                if shown_at is None or time.monotonic() - shown_at >= TEXT_EVERY:
                    shown_at = time.monotonic()
                    yield {"reading": views.reading(think)}
            case Located():
                located = event
                rows = views.answer(event.grounding, loaded.spacing_mm)
                yield {
                    "status": views.status("outlining", "Outlining"),
                    "layers": views.layers(event.grounding, loaded.image.size),
                    "reading": views.reading(think, rows, event.notes),
                }
            case Segmented(mask):
                yield {"layers": views.layers(located.grounding, loaded.image.size, mask)}
            case Done():
                session.end(event)
                offers = {"take": files.offer(session), "sure": {"offered": True}}
                yield {"status": views.status("done", "Done"), "reading": done_reading(session), **offers}
            case Absent():
                yield {
                    "status": views.status("done", "Not seen in this image"),
                    "reading": views.reading(event.think, [], event.notes),
                }
            case Failed():
                rows = views.answer(located.grounding, loaded.spacing_mm) if located else []
                status, reading = views.failure(event, think, rows)
                yield {"status": status, "reading": reading}


def refined_values(session: Session, refined: Refined, edit: int) -> Values:
    """What to show once a correction has been drawn; `edit` numbers it, so that a late one never undoes a later one."""
    return {
        "status": views.status("done", f"Outlined again in {refined.seconds:.2f} s"),
        "reading": done_reading(session),
        "layers": views.layers(refined.grounding, session.loaded.image.size, refined.mask, refined.clicks)
        | {"edit": edit},
        "take": files.offer(session),
    }


def done_reading(session: Session) -> dict:
    """The reading column of a finished run, before or after corrections."""
    done, loaded = session.done, session.loaded
    probability = (
        None if session.corrected else done.coordinate_probability
    )  # it is of the model's own numbers
    rows = views.answer(done.grounding, loaded.spacing_mm, done.mask, done.mask_score, probability)
    if session.corrected:
        rows.insert(0, views.correction(session.clicks))
    if session.truth is not None:
        rows.append(views.against(session.truth, done.grounding, done.mask))
    return views.reading(done.think, rows, done.notes, views.timings(done), places=views.places(done))

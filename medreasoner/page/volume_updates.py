"""Turns the events of a run over a stack, and corrections of its masks, into values for the components."""

from collections.abc import Iterator

from medreasoner.events import (
    Absent,
    Chosen,
    Failed,
    Located,
    Propagated,
    Scanned,
    Segmented,
    Thinking,
    VolumeDone,
    VolumeEvent,
)
from medreasoner.output.contours import svg_path
from medreasoner.page import answer_view, image_view
from medreasoner.page.updates import Values
from medreasoner.page.volume_downloads import offered
from medreasoner.page.volume_finding import volume_answer
from medreasoner.page.volume_run import VolumeRun
from medreasoner.page.volume_view import strip
from medreasoner.segmenters.propagation import SliceMask

SEEN = {True: "it is seen", False: "not seen", None: "no answer"}


def volume_updates(events: Iterator[VolumeEvent], run: VolumeRun) -> Iterator[Values]:
    """What to show as `events` come; what they say is stored in `run`."""
    empty = {name: {} for name in ("layers", "downloads", "confidence", "comparison")}
    asked = {"question": run.provenance.question or ""}
    yield _status(run, "reading", "Looking through the stack") | {
        "answer": answer_view.answer(headline=asked),
        "volume": strip(run),
        **empty,
    }
    for event in events:
        values = _taken(event, run, asked)
        if values:
            yield values


def _taken(event: VolumeEvent, run: VolumeRun, asked: dict) -> Values:
    """Store an event; what to show of it."""
    values: Values = {}
    match event:
        case Scanned():
            run.looked[event.slice] = event.found
            seen = f"{event.seen} of about {event.planned} looked at"
            values = _progress(run, "reading", f"Slice {event.slice}: {SEEN[event.found]} ({seen})")
        case Propagated():
            run.put(event.slice, event.mask, event.score)
            values = _outlined(run, event.slice)
        case VolumeDone() | Absent():
            run.end(event)
            values = ended(run)
        case Failed():
            run.running = False
            run.status, answer = answer_view.failure(event, run.think, [], asked["question"])
            values = {"status": run.status, "answer": answer, "volume": strip(run)}
        case _:
            values = _on_key_slice(event, run, asked)
    return values


def _on_key_slice(event: VolumeEvent, run: VolumeRun, asked: dict) -> Values:
    """The same of the slice that is asked."""
    match event:
        case Chosen():
            run.key = event.slice
            return _progress(run, "thinking", f"Asking slice {event.slice} of {event.slices}")
        case Thinking(text):
            run.think += text
            return {"answer": answer_view.answer(run.think, headline=asked)}
        case Located():
            run.grounding = event.grounding
            return _status(run, "outlining", f"Outlining slice {run.key}") | shown_layers(run)
        case Segmented(mask):
            run.put(run.key, mask, 1.0)
            return shown_layers(run) | {"volume": strip(run)}
    return {}


def correction_updates(masks: Iterator[SliceMask], run: VolumeRun, edit: int) -> Iterator[Values]:
    """What to show while masks are drawn anew. `edit` numbers the correction, see
    `updates.refined_values`."""
    yield _status(run, "outlining", "Outlining from here")
    for one in masks:
        run.put(one.number, one.mask, one.score)
        yield _outlined(run, one.number, edit)
    run.clean()
    yield ended(run, "Outlined again", edit)


def ended(run: VolumeRun, said: str = "Done", edit: int | None = None) -> Values:
    """What to show once nothing runs any more."""
    run.running = False
    return _status(run, "done", said) | {
        "answer": volume_answer(run),
        "downloads": offered(run),
        "volume": strip(run),
        **shown_layers(run, edit),
    }


def view_values(run: VolumeRun) -> Values:
    """What to show of the run where the visitor has turned to another view of its stack."""
    values = {"status": run.status, **shown_layers(run)}
    if run.result is None:
        asked = {"question": run.provenance.question or ""}
        return values | {"answer": answer_view.answer(run.think, headline=asked)}
    return values | {"answer": volume_answer(run), "downloads": offered(run)}


def shown_layers(run: VolumeRun, edit: int | None = None) -> Values:
    """The layers of the slice that the visitor looks at; a slice without a mask takes corrections once the
    run has ended."""
    number = run.viewing
    if number is None or run.dropped:
        return {}
    size, mask = run.volume.shape[:0:-1], run.masks.get(number)
    numbered = {} if edit is None else {"edit": edit}
    prompt = run.prompt(number) if run.found else None
    if mask is not None and prompt is not None:
        answer = run.slice_answer(number)
        shown = image_view.layers(answer.result.grounding, size, mask, prompt.clicks)
        if prompt.box is None:
            shown["box"] = None
        return {"layers": shown | {"free": True} | numbered}
    if number == run.key and run.grounding is not None and not run.found:
        return {"layers": image_view.layers(run.grounding, size, mask) | numbered}
    clicks = [list(click) for click in prompt.clicks] if prompt is not None else []
    box = list(prompt.box) if prompt is not None and prompt.box else None
    outline = {} if mask is None else {"mask": svg_path(mask)}
    free = {"free": True, "box": box, "points": [], "clicks": clicks} if run.found else {}
    return {"layers": outline | free | numbered}


def _outlined(run: VolumeRun, number: int, edit: int | None = None) -> Values:
    said = f"Outlined slice {number}, {len(run.masks)} so far"
    values = _progress(run, "outlining", said)
    return values | (shown_layers(run, edit) if number == run.viewing else {})


def _progress(run: VolumeRun, phase: str, said: str) -> Values:
    return _status(run, phase, said) | {"volume": strip(run)}


def _status(run: VolumeRun, phase: str, said: str) -> Values:
    run.status = answer_view.status(phase, said)
    return {"status": run.status}

"""What a visitor may ask for beyond the answer: the same of a second model, and how far samples of the first agree with it.

Is: events and samples in, values for the components out, as `medreasoner/page/run.py` does. Is not: part of a plain run; nobody waits for these who
has not asked for them.
"""

from collections.abc import Iterator
from contextlib import closing

from medreasoner.events import Event
from medreasoner.page import views
from medreasoner.page.run import Values, run_values
from medreasoner.page.session import Session
from medreasoner.sampling import SAMPLES, Sampled

UNDER_WAY = ("reading", "thinking", "outlining")


def sure_values(samples: Iterator[Sampled], session: Session) -> Iterator[Values]:
    """What to show as samples of the first model come; they are held against its own answer, corrected or not."""
    boxes, seconds = [], 0.0
    yield {"status": views.status("sampling", f"Asking again, 1 of {SAMPLES}")}
    with closing(samples):
        for sample in samples:
            boxes.append(sample.box)
            seconds += sample.seconds
            over = len(boxes) == SAMPLES
            status = (
                views.status("done", "Done")
                if over
                else views.status("sampling", f"Asking again, {len(boxes) + 1} of {SAMPLES}")
            )
            yield {"status": status, "sure": views.sureness(boxes, session.own.box, SAMPLES, seconds)}


def both_values(first: Iterator[Values], second: Iterator[Values]) -> Iterator[Values]:
    """Two runs as one, the first to its end, then the second: that is over when both are, and done where one of them is. What broke one
    off is said where its answer would stand."""
    ended = []
    for block, run in (("reading", first), ("second", second)):
        said = {}
        with closing(run):
            for values in run:
                said = values.get(block, said)
                status = values.get("status")
                if status is None or status["phase"] in UNDER_WAY:
                    yield values
                    continue
                ended.append(status)
                rest = {name: value for name, value in values.items() if name != "status"}
                yield rest | (
                    {block: {**said, "problem": status["text"]}} if status["phase"] == "error" else {}
                )
    done = [status for status in ended if status["phase"] == "done"]
    yield {"status": (done or ended)[-1]}


def second_values(events: Iterator[Event], session: Session, name: str) -> Iterator[Values]:
    """What the block of the second model shows: its name, and all that the first has."""
    aside = Session(session.loaded, truth=session.truth)
    shown = {"name": name, "layers": {}}
    with closing(events):
        for values in run_values(events, aside):
            shown |= values.get("reading", {})
            shown |= {"layers": values["layers"]} if "layers" in values else {}
            status = values.get("status")
            if status and status["phase"] in UNDER_WAY:
                status = status | {"text": f"{status['text']} · {name}"}
            yield {"second": dict(shown)} | ({"status": status} if status else {})

"""The same question put to a second model: both answers, one after the other."""

from collections.abc import Iterator
from contextlib import closing

from medreasoner.events import Event
from medreasoner.page.session import RUNNING, Session
from medreasoner.page.updates import Values, run_updates


def both_updates(first: Iterator[Values], second: Iterator[Values]) -> Iterator[Values]:
    """Two runs as one, the second after the first. The whole is done where one of them is; an error is shown
    in place of its answer."""
    ends = []
    for name, run in (("answer", first), ("comparison", second)):
        latest = {}
        with closing(run):
            for values in run:
                latest = values.get(name, latest)
                status = values.get("status")
                if status is None or status["phase"] in RUNNING:
                    yield values
                    continue
                ends.append(status)
                rest = {part: value for part, value in values.items() if part != "status"}
                if status["phase"] == "error":
                    rest[name] = {**latest, "problem": status["text"]}
                yield rest
    done = [status for status in ends if status["phase"] == "done"]
    yield {"status": (done or ends)[-1]}


def second_updates(events: Iterator[Event], session: Session, name: str) -> Iterator[Values]:
    """What the comparison shows of the second model's run: its `name`, its answer and its layers."""
    own_session = Session(session.loaded, truth=session.truth, provenance=session.provenance)
    shown = {"name": name, "layers": {}}
    with closing(events):
        for values in run_updates(events, own_session):
            shown |= values.get("answer", {})
            shown |= {"layers": values["layers"]} if "layers" in values else {}
            status = values.get("status")
            if status and status["phase"] in RUNNING:
                status = status | {"text": f"{status['text']} · {name}"}
            yield {"comparison": dict(shown)} | ({"status": status} if status else {})

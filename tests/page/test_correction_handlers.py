"""Corrections are answered side by side; what an earlier one brings never takes the place of a later one."""

import threading
from types import SimpleNamespace

from medreasoner.imaging import load_image
from medreasoner.page.correction_handlers import CorrectionHandlers
from medreasoner.page.page import Page
from medreasoner.page.session import Session
from medreasoner.page.updates import run_updates

POINTS = [[100, 90], [150, 120]]


def edit(number: int, box: list[float], points: list = POINTS) -> SimpleNamespace:
    return SimpleNamespace(box=box, points=points, clicks=[], edit=number)


class Slow:
    """The page's models, whose correction waits until it is let go."""

    def __init__(self, model) -> None:
        self.model, self.begun, self.go = model, threading.Event(), threading.Event()
        self.key = None

    def asked_with(self, key: object) -> "Slow":
        return self

    def refine(self, *given: object) -> object:
        self.begun.set()
        self.go.wait()
        return self.model.refine(*given)


def test_a_slow_correction_does_not_undo_a_later_one(model, image_file):
    session, models = Session(load_image(image_file)), Slow(model)
    session.begin("a run", model.provenance("What is bright?"))
    list(run_updates(model.stream(session.loaded.image, "What is bright?"), session))
    own = session.model_grounding
    handlers, said = CorrectionHandlers(Page(model, []).layout, models), []
    slow = threading.Thread(target=lambda: said.append(handlers.refine(session, edit(1, [40, 30, 200, 180]))))
    slow.start()
    models.begun.wait()
    handlers.refine(session, edit(2, list(own.box), [list(point) for point in own.points]))
    models.go.set()
    slow.join()
    assert not session.shown.corrected and session.done.grounding == own
    assert handlers.refine(session, edit(1, [40, 30, 200, 180])) == said[0], "nothing is shown of an old one"
    handlers.refine(session, edit(3, [40, 30, 200, 180]))
    assert session.done.grounding.box == (40, 30, 200, 180)

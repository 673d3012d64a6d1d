"""Every event of the page that ends in an unforeseen error ends in a sentence, and what was open stays."""

from types import SimpleNamespace

import numpy as np
import pytest

from medreasoner.imaging import load_image
from medreasoner.page.page import Page
from medreasoner.page.session import Session

LEAVING = ("fail", "_forget_visitor")  # nobody is there any more to be told


class Silent:
    """A model that is asked nothing."""

    name, can_sample, thinks_on_request, folder = "nobody", True, True, None

    def provenance(self, question: str) -> None: ...


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(Silent(), [], compare=Silent())


def test_every_handler_is_followed_by_one_for_its_failure(page):
    handlers = [
        function
        for function in page.demo.fns.values()
        if function.fn is not None and function.api_visibility == "private" and function.name not in LEAVING
    ]
    names = {function.name for function in handlers}
    assert {"open_files", "open_example", "open_view", "refine", "download"} <= names
    assert {"ask", "compare", "sample", "wait", "stop", "recall", "contrast"} <= names
    for function in handlers:
        followed = [
            later
            for later in page.demo.fns.values()
            if later.trigger_after == function._id and later.trigger_only_on_failure
        ]
        assert [later.name for later in followed] == ["fail"], function.name
        assert page.layout.status in followed[0].outputs, function.name


class Broken:
    """A session in which nothing works."""

    settled_phase = "done"

    def __getattr__(self, name: str) -> object:
        raise ZeroDivisionError(name)


EVENT = SimpleNamespace(index=0, slice=1, axis=None, frame=None, window=None, kind="mask.png", edit=1, id="x")
CALLS = {
    "open_files": lambda page: list(page.files.open_files([object()], None, {})),
    "open_example": lambda page: page.files.open_example(None, SimpleNamespace(index=[])),
    "open_view": lambda page: page.files.open_view(Broken(), {}, EVENT),
    "download": lambda page: page.files.download(Broken(), EVENT),
    "refine": lambda page: page.corrections.refine(Broken(), EVENT),
    "recall": lambda page: page.history.recall(Broken(), EVENT),
    "contrast": lambda page: page.history.contrast(Broken(), EVENT),
    "stop": lambda page: list(page.runs.stop(Broken(), {})),
}


@pytest.mark.parametrize("name", CALLS)
def test_what_breaks_is_told_in_one_sentence_that_keeps_the_phase(page, name):
    with pytest.raises((ZeroDivisionError, TypeError)):
        CALLS[name](page)
    session = Session(load_image(np.zeros((32, 32), np.uint8)))
    for opened, phase in ((None, "empty"), (session, "ready")):
        (told,) = page.files.fail(opened).values()
        assert told["phase"] == phase and told["warning"]
        assert told["text"] == "Something broke on our side. What was open before is still here."

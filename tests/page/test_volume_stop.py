"""Stop while a whole volume is asked, in a real browser: the run ends there, wherever the visitor has turned
to meanwhile, and the page takes the next question.

Recorded answers about a drawn ball stand in for the model; one slice is held until the test lets it go.
"""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from medreasoner.imaging import load_volume
from medreasoner.model import MedReasoner
from medreasoner.page.page import Page
from medreasoner.reasoners.base import EncodedImage
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from tests.ball_volume import BALL, QUESTION, sees, write_ball
from tests.recorded_page import serving
from tests.segmenters.ball import BrightSegmenter
from tests.visit import ask, expect, finished, headline, opened, status

pytestmark = pytest.mark.browser
SLICES = len(BALL)
BLANK = 1


class Held:
    """A recorded model that does not get beyond reading one image."""

    def __init__(self, reasoner: ReplayReasoner) -> None:
        self._reasoner = reasoner
        self.held, self.reading, self.free = "", threading.Event(), threading.Event()

    def hold(self, image: Image.Image) -> None:
        self.reading.clear()
        self.free.clear()
        self.held = image_key(image)

    def let_go(self) -> None:
        self.held = ""
        self.free.set()

    def encode(self, image: Image.Image) -> EncodedImage:
        if image_key(image) == self.held:
            self.reading.set()
            self.free.wait()
        return self._reasoner.encode(image)

    def __getattr__(self, name: str) -> object:
        return getattr(self._reasoner, name)


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Path:
    return write_ball(tmp_path_factory.mktemp("ball"))


@pytest.fixture(scope="module")
def model(volume) -> Held:
    return Held(sees(volume))


@pytest.fixture(scope="module")
def address(model) -> Iterator[str]:
    for page in serving(Page(MedReasoner(model, BrightSegmenter()), [])):
        yield page.demo.local_url


@pytest.mark.parametrize("number", [3, 11], ids=["before it is seen", "after it was seen"])
def test_stop_ends_the_run_from_a_blank_slice_and_the_page_takes_the_next_question(
    visit, volume, model, number
):
    page = visit(1280, 900)
    opened(page, volume)
    page.get_by_label("Question").fill(QUESTION)
    model.hold(load_volume(volume).picture(number))
    try:
        page.get_by_role("button", name="Whole volume").click()
        assert model.reading.wait(60)
        page.locator("#volume .cells").click(position={"x": 2, "y": 2})
        expect(page.get_by_text(f"Axial slice {BLANK} of {SLICES} is shown")).to_be_visible()
        expect(ask(page)).to_be_disabled()
        page.get_by_role("button", name="Stop").click()
        expect(status(page)).to_have_text("Stopping")
    finally:
        model.let_go()
    expect(status(page)).to_have_text("Stopped")
    expect(headline(page).get_by_role("heading")).to_be_hidden()
    expect(page.get_by_role("button", name="Stop")).to_be_disabled()

    ask(page).click()
    finished(page)
    expect(headline(page)).to_contain_text("Not seen in this image")
    page.get_by_role("button", name="Whole volume").click()
    expect(headline(page)).to_contain_text(re.compile("slices . to"))
    finished(page)
    colours = """["seen", "unseen"].map(kind =>
        getComputedStyle(document.querySelector(`#volume .${kind}`)).fill)"""
    seen, unseen = page.evaluate(colours)
    assert seen == "rgb(240, 228, 66)" != unseen, "the strip tells where the target was seen"

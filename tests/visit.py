"""A visit to the page in a real browser: the fixtures `visit`, `files`, `address` and `browser`, and helpers
of the tests that use them.

Recorded answers stand in for a model; everything else is real. A test that visits fails on a console error or
a request to elsewhere.
"""

import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter
from pydicom.uid import CTImageStorage

from medreasoner.answer import Absence, Answer, render
from medreasoner.imaging import load_image
from medreasoner.model import MedReasoner
from medreasoner.page.examples import Example
from medreasoner.page.page import Page
from medreasoner.page.recordings import load_recordings, record
from medreasoner.page.serve import launch
from medreasoner.reasoners.base import EncodedImage
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from medreasoner.segmenters.base import SegmenterPrompt
from tests import chromium
from tests.medical import dicom, uid

sync_api = pytest.importorskip("playwright.sync_api")
expect = sync_api.expect
PATIENCE = 300_000  # milliseconds; not a wait: on a busy machine a page is slow
expect.set_options(timeout=PATIENCE)

THOUGHT = (
    " ".join(f"Sentence {n} of the reasoning looks at another part of the image." for n in range(1, 6))
    + " It lies at the centre."
)
WHERE = Answer((160, 96, 400, 288), ((250, 180), (320, 200)), think=THOUGHT)
WHAT, ELSEWHERE, BROKEN, ENDLESS = (
    "What passes sound?",
    "And what does not?",
    "What breaks?",
    "What never ends?",
)
BUG, UNKNOWN, NUMBERS = "What meets a bug?", "What was never recorded?", "Where, in numbers?"
NOWHERE, SMALL, SPARSE = "What is not there?", "What is tiny?", "What fills hardly anything?"
HARDLY = (300, 200, 500, 400)  # a box in which the segmenter finds next to nothing
ANSWERS = {
    WHAT: render(WHERE),
    ELSEWHERE: render(Answer((20, 30, 120, 90), ((50, 50), (70, 60)), think="A short second thought.")),
    BROKEN: "<think>Almost there.</think><answer>{'bbox': [1, 2, 3]}</answer>",
    BUG: render(Answer((0, 0, 1, 1), ((0, 0), (1, 1)), think="Into the corner.")),
    NUMBERS: render(
        Answer(
            (20, 30, 120, 90),
            ((50, 50), (70, 60)),
            think="A 🫀 in [20, 30, 120, 90], at (50, 60). x 20 to 700 is far",
        )
    ),
    NOWHERE: render(Absence("What is asked for is a kidney stone. Nothing like it is to be seen.")),
    SMALL: render(
        Answer((100, 90, 108, 97), ((102, 92), (105, 95)), think="That describes a kidney stone. It is tiny.")
    ),
    SPARSE: render(Answer(HARDLY, ((350, 250), (400, 300)), think="That describes a kidney stone.")),
    ENDLESS: "<think>" + " ".join(f"word{n}" for n in range(4000)),
}


class Oval:
    """A segmenter that fills the box with an oval, adds or takes a disc for each click, and has a bug in the
    corner."""

    name, revision = "oval", None

    def encode(self, image: Image.Image, features: object = None) -> object:
        return image.size

    def segment(self, encoded: tuple[int, int], prompt: SegmenterPrompt) -> tuple[np.ndarray, float]:
        assert prompt.box != (0, 0, 1, 1), "the bug in the corner, which this test wants"
        canvas = Image.new("1", encoded)
        box = (*prompt.box[:2], prompt.box[0] + 8, prompt.box[1] + 8) if prompt.box == HARDLY else prompt.box
        ImageDraw.Draw(canvas).ellipse(box, fill=1)
        for x, y, positive in prompt.clicks:
            ImageDraw.Draw(canvas).ellipse((x - 10, y - 10, x + 10, y + 10), fill=int(positive))
        return np.asarray(canvas), 0.87


def scan(width: int, height: int) -> Image.Image:
    """Grey speckle with a dark place in it, the same each time."""
    speckle = np.random.default_rng(0).integers(60, 200, (height, width), dtype=np.uint8)
    image = Image.fromarray(speckle).filter(ImageFilter.GaussianBlur(1.5))
    ImageDraw.Draw(image).ellipse((width // 4, height // 5, width * 5 // 8, height * 3 // 5), fill=20)
    return image.convert("RGB")


READING = threading.Event()  # while a test has cleared it, the model does not get beyond reading the image
READING.set()


class Reads(ReplayReasoner):
    """Recorded answers, once READING is set."""

    def encode(self, image: Image.Image) -> EncodedImage:
        READING.wait()
        return super().encode(image)


SCANS = {"scan.png": scan(640, 480), "strip.png": scan(900, 60)}

# one slice, 160 x 120, with a place in the patient
_VALUES = np.add.outer(10 * np.arange(120), 5 * np.arange(160)).astype(np.int16)
_PLACED = {
    "ImagePositionPatient": [-80, -60, 30],
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [0.5, 0.5],
}
_CT = {
    "Modality": "CT",
    "SOPClassUID": CTImageStorage,
    "FrameOfReferenceUID": uid("frame"),
    "SliceThickness": 2,
}
_VOLUME = np.stack([_VALUES.T[:, ::-1]] * 3, axis=2)
MEDICAL = {
    "slice.dcm": dicom(_VALUES, RescaleSlope=1, RescaleIntercept=-1024, **_CT, **_PLACED),
    "volume.nii": nibabel.Nifti1Image(_VOLUME, np.diag([0.5, 0.5, 2, 1])).to_bytes(),
}


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name, image in SCANS.items():
        image.save(folder / name)
    for name, data in MEDICAL.items():
        (folder / name).write_bytes(data)
    truth = Image.new("L", SCANS["scan.png"].size)
    ImageDraw.Draw(truth).rectangle((160, 96, 399, 287), fill=255)
    truth.save(folder / "truth.png")
    return folder


@pytest.fixture(scope="session")
def served(files) -> Iterator[Page]:
    """The page, served from this process."""
    runs = []
    for image in (*SCANS.values(), *(load_image(data).image for data in MEDICAL.values())):
        known = {
            "image_sha256": image_key(image),
            "think": True,
            "model": "tests",
            "frame": "input pixels",
            "input_wh": list(image.size),
        }
        runs += [
            {**known, "question": question, "pieces": re.findall(r"\s*\S+", text)}
            for question, text in ANSWERS.items()
        ]
    model = MedReasoner(Reads(runs, seconds_per_piece=0.01), Oval())
    credit = ("drawn for this test", "CC0")
    examples = [
        Example(files / "scan.png", WHAT, "Ultrasound", *credit, files / "truth.png"),
        Example(files / "strip.png", ELSEWHERE, "X-ray", *credit),
    ]
    scan_run = record(model.stream(SCANS["scan.png"], WHAT), SCANS["scan.png"], WHAT)
    (files / "recorded.json").write_text(json.dumps([scan_run]))
    yield from serving(Page(model, examples, load_recordings(files / "recorded.json")))


@pytest.fixture(scope="session")
def address(served) -> str:
    return served.demo.local_url


@pytest.fixture(scope="session")
def browser() -> Iterator["sync_api.Browser"]:
    found = chromium.find()
    if found is None:
        message = "there is no Chromium or Chrome; `make test` fetches one"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=chromium.flags())
        yield launched
        launched.close()


def new_context(browser, **settings: object) -> "sync_api.BrowserContext":
    """A visitor's own tabs and storage; the only way to one in the tests, for Playwright's own patience is 30
    seconds."""
    context = browser.new_context(**settings)
    context.set_default_timeout(PATIENCE)
    return context


@pytest.fixture
def visit(browser, address) -> Iterator[Callable[..., "sync_api.Page"]]:
    """Open the page as a new visitor; whatever the browser complains of, or asks of another machine, fails
    the test."""
    contexts, complaints = [], []

    def come(width: int = 1280, height: int = 900, link: str = "", **settings: object) -> "sync_api.Page":
        context = new_context(browser, viewport={"width": width, "height": height}, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((address, "data:", "blob:"))
                else complaints.append(request.url)
            ),
        )
        page.goto(link or address)
        expect(ask(page)).to_be_visible()
        if not link:
            expect(page.get_by_text("Open, paste or drop a medical image")).to_be_visible()
        return page

    def again(page: "sync_api.Page") -> None:
        """Load the page again; what the browser says of the requests that this breaks off is no complaint."""
        before = len(complaints)
        page.reload()
        del complaints[before:]

    come.again = again
    yield come
    for context in contexts:
        context.close()
    assert complaints == [], complaints


def ask(page) -> "sync_api.Locator":
    return page.get_by_role("button", name="Ask", exact=True)


def reasoning(page) -> "sync_api.Locator":
    """The text, which is folded away once the answer is there."""
    return page.locator("#answer .reasoning-text")


def headline(page) -> "sync_api.Locator":
    return page.locator("#answer .headline")


def why(page) -> None:
    """Unfold the reasoning of an answer."""
    page.locator("#answer summary", has_text="Why").click()


def details(page) -> "sync_api.Locator":
    """The machine's figures, unfolded."""
    page.locator("#answer summary", has_text="Details").click()
    return page.get_by_role("region", name="Answer", exact=True)


def open_example(page, kind: str) -> None:
    """Open an example, without asking its question as a click would."""
    if not page.locator("#examples").is_visible():
        page.get_by_role("button", name="Examples", exact=True).click()
    page.get_by_role("group", name="Examples").get_by_role("button", name=kind).dispatch_event("open")
    expect(status(page)).to_have_text("Ready")


def status(page) -> "sync_api.Locator":
    return page.get_by_role("status", name="State of the run")


def upload(page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open image").click()
    chooser.value.set_files(path)


def opened(page, path: Path) -> "sync_api.Locator":
    """Upload `path` and wait for its image."""
    upload(page, path)
    image = page.get_by_role("img", name="The opened image")
    expect(image).to_be_visible()
    expect(status(page)).to_have_text("Ready")
    return image


def put(page, question: str) -> None:
    page.get_by_label("Question").fill(question)
    ask(page).click()


def finished(page) -> None:
    expect(status(page)).to_have_text("Done")


def place(page, box: tuple[float, ...], size: tuple[int, int]) -> list[float]:
    """Where `box` in image pixels must be on the screen: x, y, width, height."""
    frame = page.get_by_role("img", name="The opened image").bounding_box()
    sx, sy = frame["width"] / size[0], frame["height"] / size[1]
    return [
        frame["x"] + box[0] * sx,
        frame["y"] + box[1] * sy,
        (box[2] - box[0]) * sx,
        (box[3] - box[1]) * sy,
    ]


def drawn(page, selector: str) -> list[float]:
    """Where the drawing is on the screen, without the width of its line: x, y, width, height."""
    return page.locator(selector).evaluate(
        """shape => { const box = shape.getBBox(), m = shape.getScreenCTM();
        return [m.e + box.x * m.a, m.f + box.y * m.d, box.width * m.a, box.height * m.d]; }"""
    )


STILL = """() => Promise.allSettled(document.getAnimations()
  .filter(each => each.effect.getComputedTiming().iterations !== Infinity).map(each => each.finished))"""


def serious(page) -> list[dict]:
    """What axe-core finds wrong with the page: each serious rule with the elements that break it.

    A button that is just being enabled fades from one colour to another, and its contrast is measured in the
    middle: what is found is looked for again once the page stands still.
    """
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed"
    ).Axe()
    for _ in range(3):
        page.evaluate(STILL)
        violations = axe.run(page).response["violations"]
        broken = [rule for rule in violations if rule["impact"] in ("serious", "critical")]
        if not broken:
            break
        page.wait_for_timeout(300)
    return [{rule["id"]: [node["html"][:150] for node in rule["nodes"]]} for rule in broken]


def serving(page: Page) -> Iterator[Page]:
    """`page` on a free port of this machine, until it is no longer wanted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(page, port)
    yield page
    page.demo.close(verbose=False)

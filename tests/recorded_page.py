"""The page on recorded answers, served for the browser tests: what is asked, what is answered, the images that
are opened, and the fixtures `files`, `served` and `address`.

Recorded answers stand in for a model; everything else is real.
"""

import json
import re
import socket
import threading
from collections.abc import Iterator
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
from tests.medical import dicom, uid

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


def serving(page: Page) -> Iterator[Page]:
    """`page` on a free port of this machine, until it is no longer wanted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(page, port)
    yield page
    page.demo.close(verbose=False)

"""The project in one object: a reasoner and a segmenter that fit each other.

Is: what `from medreasoner import MedReasoner` gives. Is not: another implementation; every call is `pipeline.ground`.

    model = MedReasoner.from_pretrained()                          # the embedded pair: no network, no GPU
    model = MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cuda")
    for event in model.stream("scan.png", "What explains the bright focus beside the ventricle?"): ...
    done = model.ground("scan.png", "What explains the bright focus beside the ventricle?")
"""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.answer import Prompt
from medreasoner.events import Done, Event, Failed
from medreasoner.hub import HubError, fetch_file
from medreasoner.images import load_image
from medreasoner.loading import EMBEDDED_FOLDER
from medreasoner.pipeline import ground
from medreasoner.reasoner import Reasoner, ReasonerError, load_reasoner
from medreasoner.segmenter import MEDSAM2, PICKLED, Segmenter, SegmenterError, load_segmenter

EMBEDDED_NAME = "embedded"
EMBEDDED_SEGMENTER = EMBEDDED_FOLDER / "segmenter"
Source = str | Path | bytes | Image.Image | np.ndarray


class GroundingFailed(RuntimeError):
    """A run ended without a mask; `failed` is its last event, the message is that event's."""

    def __init__(self, failed: Failed):
        super().__init__(failed.message)
        self.failed = failed


class MedReasoner:
    """Safe to share between threads."""

    def __init__(self, reasoner: Reasoner, segmenter: Segmenter):
        self.reasoner, self.segmenter = reasoner, segmenter

    @staticmethod
    def from_pretrained(
        model: str | Path | None = None,
        segmenter: str | Path | None = None,
        device: str | None = None,
        prompt: Prompt | None = None,
        revision: str | None = None,
    ) -> "MedReasoner":
        """Load a pair.

        Args:
            model: a Hub id or folder, see `reasoner.load_reasoner`; None (or "embedded") for the small one that comes along.
            segmenter: a Hub id, folder or file, see `segmenter.load_segmenter`; "embedded" for the one that comes along. None takes the
                one in the model's own folder, else MedSAM2 from the Hub, else, where the Hub cannot be reached, the embedded one.
            device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
            prompt: instead of the model's own.
            revision: of the model on the Hub.

        Errors: ReasonerError, SegmenterError.
        """
        embedded = model is None or str(model) == EMBEDDED_NAME
        if embedded and not EMBEDDED_FOLDER.is_dir():
            raise ReasonerError(f"the embedded model is not installed: there is no folder {EMBEDDED_FOLDER}; name a model")
        source = EMBEDDED_FOLDER if embedded else model
        reasoner = load_reasoner(source, device, prompt, revision, EMBEDDED_NAME if embedded else None)
        return MedReasoner(reasoner, _segmenter_for(reasoner, segmenter, device))

    def stream(self, image: Source, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[Event]:
        """The events of one run, see `pipeline.ground`. `image` is whatever `images.load_image` reads. Errors: ImageError."""
        picture = image if isinstance(image, Image.Image) and image.mode == "RGB" else load_image(image).image
        return ground(picture, question, self.reasoner, self.segmenter, think, stop)

    def ground(self, image: Source, question: str, think: bool = True) -> Done:
        """The last event of `stream`. Errors: GroundingFailed where that is a Failed, ImageError."""
        *_, last = self.stream(image, question, think)
        if not isinstance(last, Done):
            raise GroundingFailed(last)
        return last


def _segmenter_for(reasoner: Reasoner, asked: str | Path | None, device: str | None) -> Segmenter:
    """The segmenter that was asked for, or the one that fits `reasoner`; it shares the reasoner's eye where it was made for it."""
    eye = reasoner.eye
    if asked is None and eye is None:
        return _medsam2(device)
    path = eye.segmenter if asked is None else EMBEDDED_SEGMENTER if str(asked) == EMBEDDED_NAME else asked
    if eye is not None and path == eye.segmenter:
        return load_segmenter(path, tower=eye.tower, name=f"{reasoner.name}/{eye.segmenter.name}")
    return _embedded_segmenter(device) if path == EMBEDDED_SEGMENTER else load_segmenter(path, device)


def _medsam2(device: str | None) -> Segmenter:
    """MedSAM2, or the embedded segmenter where the Hub cannot be reached."""
    try:
        weights = fetch_file(MEDSAM2, PICKLED[MEDSAM2])
    except HubError as error:
        if error.unreachable and EMBEDDED_SEGMENTER.is_dir():
            return _embedded_segmenter(device)
        raise SegmenterError(str(error)) from error
    return load_segmenter(weights, device, allow_pickle=True, name=MEDSAM2)


def _embedded_segmenter(device: str | None) -> Segmenter:
    return load_segmenter(EMBEDDED_SEGMENTER, device, name=f"{EMBEDDED_NAME}/{EMBEDDED_SEGMENTER.name}")

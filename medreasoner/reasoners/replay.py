"""Plays recorded runs back as a Reasoner: for examples that cost nothing, and for tests of models that are
too large.

A recording is a `.json` file with a list of runs, each with the pieces of text a model really wrote for one
image and one question; anything else is refused, and the name says that it is a recording. `record` makes a
run:

    {"image_sha256", "question", "think", "pieces": [...], "model", "frame", "input_wh": [w, h]}
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from medreasoner.geometry import FRAMES, Frame
from medreasoner.prompts import prompt_for
from medreasoner.reasoners.base import EncodedImage, Reasoner, ReasonerError

KEYS = {"image_sha256", "question", "think", "pieces", "model", "frame", "input_wh"}


def image_key(image: Image.Image) -> str:
    """SHA-256 of an RGB image's size and pixels, in hex."""
    return hashlib.sha256(f"{image.width}x{image.height}".encode() + image.tobytes()).hexdigest()


def record(reasoner: Reasoner, image: Image.Image, question: str, think: bool = True) -> dict:
    """Let `reasoner` answer, and return the run as `ReplayReasoner` reads it."""
    encoded = reasoner.encode(image)
    return {
        "image_sha256": image_key(image),
        "question": question,
        "think": think,
        "pieces": list(reasoner.stream(encoded, question, think)),
        "model": reasoner.name,
        "frame": reasoner.frame.name,
        "input_wh": list(encoded.input_wh),
    }


class ReplayReasoner:
    """See `base.Reasoner`.

    Args:
        runs: as in the module's docstring, all of one model and one frame.
        seconds_per_piece: how long each piece takes; 0 gives them at once.
    """

    def __init__(self, runs: list[dict], seconds_per_piece: float = 0.0) -> None:
        if not runs:
            raise ReasonerError("the recording holds no run; expected a list of at least one")
        for run in runs:
            if not isinstance(run, dict) or set(run) != KEYS:
                raise ReasonerError(
                    f"a recorded run must be an object with the keys {', '.join(sorted(KEYS))}, got "
                    f"{str(run)[:80]}"
                )
        makers = {(run["model"], run["frame"]) for run in runs}
        if len(makers) > 1:
            raise ReasonerError(f"one recording is of one model and one frame, got {sorted(makers)}")
        model, frame = makers.pop()
        if frame not in FRAMES:
            raise ReasonerError(
                f"the recording's frame {frame!r} is not known, expected one of "
                f"{', '.join(map(repr, FRAMES))}"
            )
        self.name, self.revision = f"{model} (recorded)", None
        self.frame: Frame = FRAMES[frame]
        self.prompt = prompt_for(self.frame)
        self.paired_segmenter = self.calibration = None
        self.thinks_on_request = {bool(run["think"]) for run in runs} == {True, False}
        self._runs = {(run["image_sha256"], run["question"], run["think"]): run for run in runs}
        self._seconds = seconds_per_piece

    @staticmethod
    def load(path: str | Path, seconds_per_piece: float = 0.0) -> "ReplayReasoner":
        """Read a recording. Errors: ReasonerError."""
        try:
            runs = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ReasonerError(f"the recording {path} cannot be read: {error}") from error
        if not isinstance(runs, list):
            raise ReasonerError(f"the recording {path} must be a list of runs, got {type(runs).__name__}")
        return ReplayReasoner(runs, seconds_per_piece)

    def encode(self, image: Image.Image) -> EncodedImage:
        """See `Reasoner.encode`. Errors: ReasonerError for an image that was not recorded."""
        key = image_key(image)
        for (recorded, _, _), run in self._runs.items():
            if recorded == key:
                return EncodedImage(image, tuple(run["input_wh"]), inputs={"key": key})
        raise ReasonerError(
            f"{self.name} does not know this image; only the recorded examples can be played back"
        )

    def stream(
        self, encoded: EncodedImage, question: str, think: bool = True, stop: threading.Event | None = None
    ) -> Iterator[str]:
        """See `Reasoner.stream`. Errors: ReasonerError for a question that was not recorded."""
        run = self._runs.get((encoded.inputs["key"], question, think))
        if run is None:
            raise ReasonerError(
                f"{self.name} was not asked this question about this image; only the recorded examples can "
                "be played back"
            )
        stop = stop or threading.Event()
        for piece in run["pieces"]:
            if stop.wait(self._seconds) if self._seconds else stop.is_set():
                return
            yield piece

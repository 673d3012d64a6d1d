"""What the page holds of one visitor: an opened image and what has been found in it.

One object in the visitor's `gr.State`, in memory only; it is dropped when the visitor opens another image,
leaves or loses the connection.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.certainty import UNKNOWN
from medreasoner.events import Done
from medreasoner.geometry import Grounding
from medreasoner.image_cache import ImageCache
from medreasoner.imaging import ImageError, LoadedImage, ViewSelection, load_image
from medreasoner.imaging.opener import ImageOpener
from medreasoner.imaging.types import has_choices
from medreasoner.output.grounding_json import NO_PROVENANCE, Provenance
from medreasoner.page.examples import Example
from medreasoner.refine import Refined
from medreasoner.segmenters.base import Click


@dataclass
class Session:
    """A visitor's image and the latest run on it.

    Args:
        loaded: the image as it is shown.
        data: the file without what may name a patient, kept only where another slice or window of it can be
            asked for.
        credit: where an example comes from.
        truth: (H, W) bool, the mask an example came with.
        cache, second_cache: what each model computed from the image, for further questions and corrections.
        run: id of the run that is shown. failed_run: id of a run that ended with an unforeseen error.
        provenance: what makes the answer of that run, for the files.
        done: the end of the run, as it was corrected last. model_grounding: the model's own answer.
        clicks, corrected: the visitor's corrections.
        compared: a second model was asked too.
        id: names the image to the browser. ended: ids of the clicks that the visitor has stopped. closed:
            another image has been opened.
    """

    loaded: LoadedImage
    data: bytes | None = field(default=None, repr=False)
    credit: str = ""
    truth: np.ndarray | None = field(default=None, repr=False)
    cache: ImageCache = field(default_factory=ImageCache, repr=False)
    second_cache: ImageCache = field(default_factory=ImageCache, repr=False)
    run: str | None = None
    failed_run: str | None = None
    provenance: Provenance = NO_PROVENANCE
    done: Done | None = field(default=None, repr=False)
    model_grounding: Grounding | None = None
    clicks: tuple[Click, ...] = ()
    corrected: bool = False
    compared: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    ended: set[str] = field(default_factory=set)
    closed: bool = False

    @staticmethod
    def of_file(path: Path) -> "Session":
        """A file of this server's own, such as an example. Errors: ImageError."""
        loaded = load_image(path)
        return Session(loaded, path.read_bytes() if has_choices(loaded.options) else None)

    @staticmethod
    def of_example(example: Example) -> "Session":
        """Errors: ImageError, also for a mask of another size than its image."""
        session = replace(Session.of_file(example.image), credit=example.credit)
        if example.mask is None:
            return session
        return replace(session, truth=read_truth(example.mask, session.loaded.image.size))

    def with_view(self, view: ViewSelection, opener: ImageOpener) -> "Session":
        """The same file in another slice or window; what was found in the old one is dropped. Errors:
        ImageError."""
        return Session(opener.open(self.data, view).loaded, self.data, self.credit)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the image, its file and the masks take; Pillow holds a pixel in four."""
        width, height = self.loaded.image.size
        masks = [self.truth, self.done.mask if self.done is not None else None]
        held = [mask.nbytes for mask in masks if mask is not None]
        return 4 * width * height + len(self.data or b"") + sum(held)

    def begin(self, run: str, provenance: Provenance, compared: bool = False) -> None:
        """Start a run; the result of the one before is dropped."""
        self.run, self.provenance, self.compared = run, provenance, compared
        self.done, self.model_grounding, self.clicks, self.corrected = None, None, (), False

    def end(self, done: Done) -> None:
        """Store the end of a run."""
        self.done, self.model_grounding = done, done.grounding

    def correct(self, refined: Refined) -> None:
        """Store a corrected mask."""
        moved = refined.grounding != self.model_grounding
        self.done = replace(
            self.done,
            grounding=refined.grounding,
            mask=refined.mask,
            mask_score=refined.score,
            notes=refined.notes,
            # the model's is about its own box
            confidence=None if moved else self.done.confidence,
            certainty=UNKNOWN if moved else self.done.certainty,
        )
        self.clicks, self.corrected = refined.clicks, True

    @property
    def phase(self) -> str:
        """Of the status line while nothing runs."""
        return "ready" if self.done is None else "done"

    def is_over(self, task: str) -> bool:
        """Whether what the visitor started with the click `task` is to end, or not to begin."""
        return self.closed or task in self.ended

    @contextmanager
    def recording_failure(self) -> Iterator[None]:
        """Sets `failed_run` where the code inside raises; closing the generator around it (the visitor
        stopped or left) is no error."""
        run, failed = self.run, True
        try:
            yield
            failed = False
        except GeneratorExit:
            failed = False
            raise
        finally:
            self.failed_run = run if failed else None


def read_truth(path: Path, image_wh: tuple[int, int]) -> np.ndarray:
    """The mask in `path`, (H, W) bool, set where the file is not black. Errors: ImageError if it does not fit
    its image."""
    with Image.open(path) as file:
        mask = np.asarray(file.convert("L")) > 0
    if mask.shape != image_wh[::-1]:
        height, width = mask.shape
        raise ImageError(
            f"The mask {path.name} has {width} x {height} pixels, its image {image_wh[0]} x {image_wh[1]}."
        )
    return mask

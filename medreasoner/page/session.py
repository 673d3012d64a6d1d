"""What the page holds of one visitor: an image, where it came from and what has been found in it.

Is: one object in the visitor's `gr.State`, in memory only; it is dropped when the visitor opens another image, leaves or is cut off.
Is not: a store. Nothing is written, and no other visitor's request can reach it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.events import Done
from medreasoner.geometry import Grounding
from medreasoner.imaging import ImageError, LoadedImage, ViewSelection, load_image
from medreasoner.output.files import NO_PROVENANCE, Provenance
from medreasoner.page.examples import Example
from medreasoner.refine import ImageCache, Refined
from medreasoner.segmenters.base import Click


@dataclass
class Session:
    """`data` is the file itself, kept only where another plane or window of it can be asked for; `truth` (H, W) bool, the mask an example
    came with; `run` names the run that is shown, `broken` the one that ended with an error nobody foresaw; `own` is the model's answer,
    `done` the end of the run as it was corrected last. `compared`: a second model was asked too; `beside` is what that one made of the
    image."""

    loaded: LoadedImage
    data: bytes | None = field(default=None, repr=False)
    credit: str = ""
    truth: np.ndarray | None = field(default=None, repr=False)
    cache: ImageCache = field(default_factory=ImageCache, repr=False)
    run: str | None = None
    broken: str | None = None
    provenance: Provenance = NO_PROVENANCE
    done: Done | None = field(default=None, repr=False)
    own: Grounding | None = None
    clicks: tuple[Click, ...] = ()
    corrected: bool = False
    compared: bool = False
    beside: ImageCache = field(default_factory=ImageCache, repr=False)

    @staticmethod
    def of_file(path: Path) -> "Session":
        """Errors: ImageError."""
        loaded = load_image(path)
        return Session(loaded, path.read_bytes() if _has_choices(loaded) else None)

    @staticmethod
    def of_example(example: Example) -> "Session":
        """Errors: ImageError, also for a mask of another size than its image."""
        session = replace(Session.of_file(example.image), credit=example.credit)
        return (
            session
            if example.mask is None
            else replace(session, truth=read_truth(example.mask, session.loaded.image.size))
        )

    def turned(self, view: ViewSelection) -> "Session":
        """The same file in another plane or window; what was found in the old one is dropped. Errors: ImageError."""
        return Session(load_image(self.data, **asdict(view)), self.data, self.credit)

    def begin(self, run: str, provenance: Provenance, compared: bool = False) -> None:
        """A new run: what was found before is no longer shown."""
        self.run, self.provenance, self.compared = run, provenance, compared
        self.done, self.own, self.clicks, self.corrected = None, None, (), False

    def end(self, done: Done) -> None:
        """The run has come to its answer."""
        self.done, self.own = done, done.grounding

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Leaves the name of the run in `broken` where what is done inside ends with an error; a visitor who stops or leaves is none."""
        run, broke = self.run, True
        try:
            yield
            broke = False
        except GeneratorExit:
            broke = False
            raise
        finally:
            self.broken = run if broke else None

    def correct(self, refined: Refined) -> None:
        self.done = replace(
            self.done,
            grounding=refined.grounding,
            mask=refined.mask,
            mask_score=refined.score,
            notes=refined.notes,
        )
        self.clicks, self.corrected = refined.clicks, True


def read_truth(path: Path, image_wh: tuple[int, int]) -> np.ndarray:
    """The mask in `path`, (H, W) bool, set where the file is not black. Errors: ImageError if it does not fit its image."""
    with Image.open(path) as file:
        mask = np.asarray(file.convert("L")) > 0
    if mask.shape != image_wh[::-1]:
        raise ImageError(
            f"The mask {path.name} has {mask.shape[1]} x {mask.shape[0]} pixels, its image {image_wh[0]} x {image_wh[1]}."
        )
    return mask


def _has_choices(loaded: LoadedImage) -> bool:
    choices = loaded.options
    return choices.slices > 1 or choices.frames > 1 or bool(choices.axes or choices.windows)

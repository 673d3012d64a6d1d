"""What the page holds of one visitor: an opened image and what has been found in it.

One object in the visitor's `gr.State`, in memory only; it is dropped when the visitor opens another image,
leaves or loses the connection.
"""

import uuid
from collections.abc import Hashable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import numpy as np

from medreasoner.events import Absent, Done
from medreasoner.geometry import Grounding
from medreasoner.image_cache import ImageCache
from medreasoner.imaging import LoadedImage, ViewSelection
from medreasoner.imaging.opener import ImageOpener
from medreasoner.output.grounding_json import NO_PROVENANCE, Provenance
from medreasoner.page.answers import ASKED, AnsweredQuestion, Asked
from medreasoner.page.examples import Example, read_truth
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.tasks import Tasks
from medreasoner.page.volume_run import VolumeRun
from medreasoner.refine import Refined
from medreasoner.segmenters.base import Click
from medreasoner.text.modalities import named_modality

RUNNING = ("opening", "loading", "reading", "thinking", "outlining", "sampling")  # phases of the status line
MOST_ANSWERS = 20  # kept of one image; the oldest goes


@dataclass
class Session:
    """A visitor's image and the answers about it.

    Args:
        loaded: the image as it is shown.
        files: what it was read from, where another slice or window of it can be asked for, else None.
        name: of the file, without its ending.
        example: its place among the examples, None for a visitor's own image.
        modality: what kind of image it is, in the taxonomy's words; None if not known.
        credit: where an example comes from.
        truth: (H, W) bool, the mask an example came with.
        caches: `ModelCalls.key` -> what that model computed from the image, for further questions and
            corrections. prepared: likewise, done once the cache is filled; absent where nothing is under way.
        run: id of the run that is shown.
        provenance: what makes the answer of that run, for the files. asked: which model it went to.
        shown: the answer that is shown. answers: all that were given about this image, the oldest first.
        views: (slice, axis, frame) -> the answers about that view of the same file, and which was shown.
        volume: what was asked about the whole stack that this is a slice of.
        edit: number of the latest correction that was asked for.
        phase: of the status line, as the server set it last.
        compared: a second model was asked too.
        tasks: what the visitor has set going with this image.
    """

    loaded: LoadedImage
    files: OpenedFiles | None = field(default=None, repr=False)
    name: str = ""
    example: int | None = None
    modality: str | None = None
    credit: str = ""
    truth: np.ndarray | None = field(default=None, repr=False)
    caches: dict[Hashable, ImageCache] = field(default_factory=dict, repr=False)
    prepared: dict[Hashable, Future] = field(default_factory=dict, repr=False)
    run: str | None = None
    provenance: Provenance = NO_PROVENANCE
    asked: Asked = ASKED
    shown: AnsweredQuestion | None = field(default=None, repr=False)
    answers: list[AnsweredQuestion] = field(default_factory=list, repr=False)
    views: dict[tuple, tuple[list[AnsweredQuestion], AnsweredQuestion | None]] = field(
        default_factory=dict, repr=False
    )
    volume: VolumeRun | None = field(default=None, repr=False)
    edit: int = 0
    phase: str = "ready"
    compared: bool = False
    tasks: Tasks = field(default_factory=lambda: Tasks(uuid.uuid4().hex))

    @staticmethod
    def of_files(files: OpenedFiles, loaded: LoadedImage) -> "Session":
        """What `OpenedFiles.read` or `read_own` gave."""
        return Session(loaded, files if files.slices else None, files.name, modality=loaded.modality)

    @staticmethod
    def of_example(example: Example, number: int | None = None) -> "Session":
        """Errors: ImageError, also for a mask of another size than its image."""
        opened = Session.of_files(*OpenedFiles.read_own(example.image))
        session = replace(opened, credit=example.credit, modality=example.modality, example=number)
        if example.mask is None:
            return session
        return replace(session, truth=read_truth(example.mask, session.loaded.image.size))

    def with_view(self, view: ViewSelection, opener: ImageOpener) -> "Session":
        """The same file in another slice, frame, axis or window. What was found in a view stays with it, and
        is there again when the visitor comes back. Errors: ImageError."""
        loaded = self.files.load(view, opener)
        if self.answers:
            last = None if self.shows_volume else self.answers[-1]
            self.views[_place(self.loaded.view)] = self.answers, self.shown or last
        opened = Session(loaded, self.files, self.name, modality=loaded.modality, views=self.views)
        if self.volume is not None:
            opened.volume = self.volume
            opened.volume.look_at(loaded.view)
        opened.answers, shown = self.views.get(_place(loaded.view), ([], None))
        if shown is not None:
            opened.recall(shown.id)
        return opened

    @property
    def id(self) -> str:
        """Names the image to the browser."""
        return self.tasks.image

    def begin_volume(self, run: VolumeRun) -> None:
        """Start a run over the whole stack; it is shown in every slice from now on."""
        # its values belong to the stack, not to one view, so they name no run (static/shared/follow.js)
        self.volume, self.run, self.shown, self.compared = run, None, None, False
        self.views.update({place: (answers, None) for place, (answers, _) in self.views.items()})

    @property
    def shows_volume(self) -> bool:
        """Whether the answer about the whole stack is shown, rather than one about this slice."""
        return self.volume is not None and self.shown is None and self.volume.covers(self.loaded.view)

    def cache_of(self, key: Hashable = "") -> ImageCache:
        """What the model with that `ModelCalls.key` computed from the image so far."""
        return self.caches.setdefault(key, ImageCache())

    def begin(self, run: str, provenance: Provenance, compared: bool = False, asked: Asked = ASKED) -> None:
        """Start a run; the answer before stays in `answers`."""
        self.run, self.provenance, self.compared, self.shown = run, provenance, compared, None
        self.asked = asked

    def end(self, result: Done | Absent) -> None:
        """Store the end of a run."""
        self.shown = AnsweredQuestion(self.run or "", self.provenance, result, result, asked=self.asked)
        self.answers.append(self.shown)
        del self.answers[:-MOST_ANSWERS]

    def recall(self, run: str) -> bool:
        """Show an earlier answer again; False where there is none of that id."""
        found = next((answer for answer in self.answers if answer.id == run), None)
        if found is None:
            return False
        self.run, self.provenance, self.shown, self.compared = run, found.provenance, found, False
        self.phase = "done"
        return True

    def correct(self, refined: Refined) -> None:
        """Store a corrected mask."""
        self.shown.correct(refined)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the image, its files and the masks take; Pillow holds a pixel in four."""
        width, height = self.loaded.image.size
        found = [answer for answers, _ in [*self.views.values(), (self.answers, None)] for answer in answers]
        masks = [answer.result.mask for answer in found if answer.result.found]
        arrays = [array for array in (self.truth, self.loaded.values, *masks) if array is not None]
        files = self.files.nbytes if self.files is not None else 0
        volume = self.volume.nbytes if self.volume is not None else 0
        return 4 * width * height + files + volume + sum(array.nbytes for array in arrays)

    @property
    def named_modality(self) -> str | None:
        """What kind of image the shown answer says this is; None where it does not say."""
        return named_modality(self.shown.result.think) if self.shown is not None else None

    @property
    def done(self) -> Done | None:
        """The shown answer, as it was corrected last; None where there is none, or nothing was found."""
        return self.shown.result if self.shown is not None and self.shown.result.found else None

    @property
    def model_grounding(self) -> Grounding | None:
        """The model's own answer."""
        return self.shown.model_result.grounding if self.done is not None else None

    @property
    def clicks(self) -> tuple[Click, ...]:
        return () if self.shown is None else self.shown.clicks

    @property
    def corrected(self) -> bool:
        return self.shown is not None and self.shown.corrected

    @property
    def settled_phase(self) -> str:
        """`phase`, or what it comes to once what runs has been ended."""
        if self.shown is not None or (self.shows_volume and self.volume.result is not None):
            return "done"
        return "stopped" if self.phase in RUNNING else self.phase


def _place(view: ViewSelection) -> tuple:
    """What names a view: the same place in another window is the same view."""
    return view.slice, view.axis, view.frame

"""What the page holds of one visitor: an opened image and what has been found in it.

One object in the visitor's `gr.State`, in memory only; it is dropped when the visitor opens another image,
leaves or loses the connection.
"""

import uuid
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medreasoner.events import Absent, Done
from medreasoner.geometry import Grounding
from medreasoner.image_cache import ImageCache
from medreasoner.imaging import LoadedImage, ViewSelection, load_image
from medreasoner.imaging.opener import ImageOpener
from medreasoner.imaging.types import has_choices
from medreasoner.output.grounding_json import NO_PROVENANCE, Provenance
from medreasoner.page.answers import AnsweredQuestion
from medreasoner.page.examples import Example, read_truth
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.refine import Refined
from medreasoner.segmenters.base import Click

RUNNING = ("opening", "reading", "thinking", "outlining", "sampling")  # phases of the status line
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
        cache, second_cache: what each model computed from the image, for further questions and corrections.
        prepared: done once `cache` is filled; None where nothing is under way.
        run: id of the run that is shown. failed_run: id of a run that ended with an unforeseen error.
        provenance: what makes the answer of that run, for the files.
        shown: the answer that is shown. answers: all that were given about this image, the oldest first.
        views: (slice, axis, frame) -> the answers about that view of the same file, and which was shown.
        phase: of the status line, as the server set it last.
        compared: a second model was asked too.
        id: names the image to the browser. begun: ids of the clicks on Ask that had their turn. ended: ids of
            the clicks that the visitor has stopped. closed: another image has been opened.
    """

    loaded: LoadedImage
    files: OpenedFiles | None = field(default=None, repr=False)
    name: str = ""
    example: int | None = None
    modality: str | None = None
    credit: str = ""
    truth: np.ndarray | None = field(default=None, repr=False)
    cache: ImageCache = field(default_factory=ImageCache, repr=False)
    second_cache: ImageCache = field(default_factory=ImageCache, repr=False)
    prepared: Future | None = field(default=None, repr=False)
    run: str | None = None
    failed_run: str | None = None
    provenance: Provenance = NO_PROVENANCE
    shown: AnsweredQuestion | None = field(default=None, repr=False)
    answers: list[AnsweredQuestion] = field(default_factory=list, repr=False)
    views: dict[tuple, tuple[list[AnsweredQuestion], AnsweredQuestion | None]] = field(
        default_factory=dict, repr=False
    )
    phase: str = "ready"
    compared: bool = False
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    begun: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    closed: bool = False

    @staticmethod
    def of_files(files: OpenedFiles, loaded: LoadedImage) -> "Session":
        """What `OpenedFiles.read` gave."""
        return Session(loaded, files if files.slices else None, files.name, modality=loaded.modality)

    @staticmethod
    def of_file(path: Path) -> "Session":
        """A file of this server's own, such as an example. Errors: ImageError."""
        loaded = load_image(path)
        data = (path.read_bytes(),) if has_choices(loaded.options) else ()
        return Session.of_files(OpenedFiles(data, name=path.name.split(".")[0]), loaded)

    @staticmethod
    def of_example(example: Example, number: int | None = None) -> "Session":
        """Errors: ImageError, also for a mask of another size than its image."""
        opened = Session.of_file(example.image)
        session = replace(opened, credit=example.credit, modality=example.modality, example=number)
        if example.mask is None:
            return session
        return replace(session, truth=read_truth(example.mask, session.loaded.image.size))

    def with_view(self, view: ViewSelection, opener: ImageOpener) -> "Session":
        """The same file in another slice, frame, axis or window. What was found in a view stays with it, and
        is there again when the visitor comes back. Errors: ImageError."""
        loaded = self.files.load(view, opener)
        if self.answers:
            self.views[_place(self.loaded.view)] = self.answers, self.shown or self.answers[-1]
        opened = Session(loaded, self.files, self.name, modality=loaded.modality, views=self.views)
        opened.answers, shown = self.views.get(_place(loaded.view), ([], None))
        if shown is not None:
            opened.recall(shown.id)
        return opened

    def begin(self, run: str, provenance: Provenance, compared: bool = False) -> None:
        """Start a run; the answer before stays in `answers`."""
        self.run, self.provenance, self.compared, self.shown = run, provenance, compared, None

    def end(self, result: Done | Absent) -> None:
        """Store the end of a run."""
        self.shown = AnsweredQuestion(self.run or "", self.provenance, result, result)
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
        return 4 * width * height + files + sum(array.nbytes for array in arrays)

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
        if self.shown is not None:
            return "done"
        return "stopped" if self.phase in RUNNING else self.phase

    def task_of(self, client: dict) -> str | None:
        """The id of the click that started a task; None if it was stopped in line or meant another image."""
        task = str(client.get("task") or "")
        return None if client.get("image") != self.id or not task or self.is_over(task) else task

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


def _place(view: ViewSelection) -> tuple:
    """What names a view: the same place in another window is the same view."""
    return view.slice, view.axis, view.frame

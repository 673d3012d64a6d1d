"""The project in one object: a reasoner and a segmenter that fit each other.

Is: what `from medreasoner import MedReasoner` gives. Is not: another implementation; every call is `pipeline.ground`.

    model = MedReasoner.from_pretrained()                          # the embedded pair: no network, no GPU
    model = MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cuda")
    for event in model.stream("scan.png", "What explains the bright focus beside the ventricle?"): ...
    done = model.ground("scan.png", "What explains the bright focus beside the ventricle?")
"""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.events import Absent, Done, Event, Failed
from medreasoner.geometry import Grounding
from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import fetch_folder
from medreasoner.hub.push import Push
from medreasoner.imaging import load_image
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.output.files import Provenance
from medreasoner.pipeline import ground
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import PairedSegmenter, Reasoner, ReasonerError, SamplingReasoner
from medreasoner.reasoners.registry import SERVED, load_reasoner
from medreasoner.refine import ImageCache, Refined, refine
from medreasoner.sampling import SAMPLES, TEMPERATURE, Sampled, sampled
from medreasoner.segmenters.base import MEDSAM2, Click, Segmenter, SegmenterError
from medreasoner.segmenters.registry import load_segmenter

EMBEDDED_NAME = "embedded"
EMBEDDED_SEGMENTER = EMBEDDED_FOLDER / "segmenter"
Source = str | Path | bytes | Image.Image | np.ndarray


class GroundingFailed(RuntimeError):
    """A run ended without a mask; `failed` is its last event, the message is that event's."""

    def __init__(self, failed: Failed):
        super().__init__(failed.message)
        self.failed = failed


class MedReasoner:
    """Safe to share between threads. `revision` and `segmenter_revision` are the commits on the Hub that the two come from, None for local
    ones; `folder` is where the model's files lie, None for a recording."""

    def __init__(self, reasoner: Reasoner, segmenter: Segmenter, folder: Path | None = None):
        self.reasoner, self.segmenter, self.folder = reasoner, segmenter, folder
        self.revision: str | None = None
        self.segmenter_revision: str | None = None

    @staticmethod
    def from_pretrained(
        model: str | Path | None = None,
        segmenter: str | Path | None = None,
        device: str | None = None,
        *,
        prompt: Prompt | None = None,
        revision: str | None = None,
        segmenter_revision: str | None = None,
        allow_pickle: bool = False,
        family: str | None = None,
    ) -> "MedReasoner":
        """Load a pair, both from one repository or from two.

        Args:
            model: a Hub id or folder, see `reasoner.load_reasoner`; None (or "embedded") for the small one that comes along.
            segmenter: a Hub id, folder or file, see `segmenter.load_segmenter`; "embedded" for the one that comes along. None takes the
                one the model's own folder holds or names, else MedSAM2 from the Hub, else, where the Hub cannot be reached, the embedded.
            device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
            prompt: instead of the model's own.
            revision, segmenter_revision: branch, tag or commit on the Hub; a commit gives the same files for ever.
            allow_pickle: read a segmenter from a pickled file other than the MedSAM2 whose SHA-256 is known.
            family: see `reasoner.load_reasoner`.

        Errors: ReasonerError, SegmenterError; also for a checkpoint whose prompt, frame or tensors do not fit what it says of itself.
        """
        embedded = model is None or str(model) == EMBEDDED_NAME
        if embedded and not EMBEDDED_FOLDER.is_dir():
            raise ReasonerError(
                f"the embedded model is not installed: there is no folder {EMBEDDED_FOLDER}; name a model"
            )
        name = EMBEDDED_NAME if embedded else str(model)
        in_files = not name.startswith(SERVED) and not name.endswith(".json")
        folder = _folder(EMBEDDED_FOLDER if embedded else model, revision) if in_files else None
        reasoner = load_reasoner(folder or name, device, prompt, name=name, family=family)
        paired, options = reasoner.paired_segmenter, (device, segmenter_revision, allow_pickle)
        if paired is not None and (segmenter is None or _embedded(segmenter) == paired.segmenter):
            chosen = _open_paired(paired, reasoner.name, *options)
        else:
            chosen = open_segmenter(segmenter, *options)
        pair = MedReasoner(reasoner, chosen, folder)
        pair.revision, pair.segmenter_revision = reasoner.revision, chosen.revision
        return pair

    def push_to_hub(self, repo_id: str, **options: object) -> Push:
        """Publish the files this model was loaded from, see `publish.publish` for the options and errors."""
        from medreasoner.hub.publish import publish

        if self.folder is None:
            raise HubError(f"{self.reasoner.name} is no model with files that could be published")
        return publish(self.folder, repo_id, **options)

    def stream(
        self,
        image: Source,
        question: str,
        think: bool = True,
        stop: threading.Event | None = None,
        cache: ImageCache | None = None,
    ) -> Iterator[Event]:
        """The events of one run, see `pipeline.ground`. `image` is whatever `images.load_image` reads. Errors: ImageError."""
        return ground(_picture(image), question, self.reasoner, self.segmenter, think, stop, cache)

    @property
    def name(self) -> str:
        """The reasoner's id or folder."""
        return self.reasoner.name

    @property
    def can_sample(self) -> bool:
        """Whether `samples` can be asked for: the reasoner runs here."""
        return isinstance(self.reasoner, SamplingReasoner)

    def samples(
        self,
        image: Source,
        question: str,
        number: int = SAMPLES,
        temperature: float = TEMPERATURE,
        think: bool = True,
        stop: threading.Event | None = None,
        cache: ImageCache | None = None,
    ) -> Iterator[Sampled]:
        """The same question answered `number` times by chance, see `sampling.sampled`; `metrics.agreement` says how much they agree.

        Errors: ReasonerError, ValueError, ImageError.
        """
        return sampled(_picture(image), question, self.reasoner, number, temperature, think, stop, cache)

    def refine(
        self,
        image: Source,
        grounding: Grounding,
        clicks: Sequence[Click] = (),
        cache: ImageCache | None = None,
    ) -> Refined:
        """The mask for a corrected `grounding`, see `refine.refine`. Errors: GroundingError, SegmenterError, ImageError."""
        return refine(_picture(image), self.segmenter, grounding, clicks, cache)

    def provenance(self, question: str) -> Provenance:
        """What makes the answer to `question` now, for the files of a run."""
        return Provenance.of(self.reasoner.prompt, question, self.revision, self.segmenter_revision)

    def ground(self, image: Source, question: str, think: bool = True) -> Done | Absent:
        """The last event of `stream`; `found` says which of the two it is. Errors: GroundingFailed where that is a Failed, ImageError."""
        *_, last = self.stream(image, question, think)
        if isinstance(last, Failed):
            raise GroundingFailed(last)
        return last


def _picture(image: Source) -> Image.Image:
    return image if isinstance(image, Image.Image) and image.mode == "RGB" else load_image(image).image


def _folder(source: str | Path, revision: str | None) -> Path:
    try:
        return fetch_folder(source, revision)
    except HubError as error:
        raise ReasonerError(str(error)) from error


def open_segmenter(
    segmenter: str | Path | None = None,
    device: str | None = None,
    revision: str | None = None,
    allow_pickle: bool = False,
) -> Segmenter:
    """Open a segmenter that no reasoner shares.

    Args:
        segmenter: as for `segmenters.registry.load_segmenter`, or "embedded" for the one that comes with this package. None takes
            MedSAM2 from the Hub or, where the Hub cannot be reached, the embedded one.
        device, revision, allow_pickle: as for `MedReasoner.from_pretrained`.

    Errors: SegmenterError.
    """
    try:
        if _embedded(segmenter) != EMBEDDED_SEGMENTER:
            return load_segmenter(segmenter or MEDSAM2, device, None, revision, allow_pickle)
    except SegmenterError as error:
        if segmenter is not None or not error.unreachable or not EMBEDDED_SEGMENTER.is_dir():
            raise
    return load_segmenter(EMBEDDED_SEGMENTER, device, name=f"{EMBEDDED_NAME}/{EMBEDDED_SEGMENTER.name}")


def _open_paired(
    paired: PairedSegmenter, model: str, device: str | None, revision: str | None, allow_pickle: bool
) -> Segmenter:
    """The segmenter that was made for the reasoner named `model`, with its vision tower where they share one."""
    name = paired.segmenter if isinstance(paired.segmenter, str) else f"{model}/{paired.segmenter.name}"
    return load_segmenter(paired.segmenter, device, paired.tower, revision, allow_pickle, name)


def _embedded(segmenter: str | Path | None) -> str | Path | None:
    """`segmenter`, its short name "embedded" replaced by the folder."""
    return EMBEDDED_SEGMENTER if str(segmenter) == EMBEDDED_NAME else segmenter

"""The project in one object: a reasoner and a segmenter that fit each other. This is what `from medreasoner
import MedReasoner` gives.

    model = MedReasoner.from_pretrained()                          # the embedded pair: no network, no GPU
    model = MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cuda")
    for event in model.stream("scan.png", "What explains the bright focus beside the ventricle?"): ...
    done = model.ground("scan.png", "What explains the bright focus beside the ventricle?")
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.events import Absent, Done, Event, Failed, VolumeDone, VolumeEvent
from medreasoner.geometry import Grounding
from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import fetch_folder
from medreasoner.hub.push import Push
from medreasoner.image_cache import ImageCache
from medreasoner.imaging import Volume, load_image, load_volume
from medreasoner.manifest import EMBEDDED_FOLDER, EMBEDDED_NAME
from medreasoner.output.grounding_json import Provenance
from medreasoner.pipeline import ground
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import Reasoner, ReasonerError, SamplingReasoner
from medreasoner.reasoners.registry import has_files, load_reasoner, usable_device
from medreasoner.refine import Refined, refine
from medreasoner.sampling import SAMPLES, TEMPERATURE, SampledAnswer, sample_answers
from medreasoner.segmenters.base import Click, Segmenter
from medreasoner.segmenters.registry import full_name, load_segmenter
from medreasoner.volume import ground_volume

Source = str | Path | bytes | Image.Image | np.ndarray


class GroundingFailed(RuntimeError):
    """A run ended without a mask; `failed` is its last event, the message is that event's."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


class MedReasoner:
    """A reasoner and a segmenter. Safe to share between threads.

    Args:
        folder: where the reasoner's files lie, None for a recording or a served model.

    `revision` and `segmenter_revision` are the commits on the Hub that the two come from, None for local
    ones.
    """

    def __init__(self, reasoner: Reasoner, segmenter: Segmenter, folder: Path | None = None) -> None:
        self.reasoner, self.segmenter, self.folder = reasoner, segmenter, folder

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
            model: as for `reasoners.registry.load_reasoner`; None or "embedded" for the small one that comes
                with this package.
            segmenter: as for `segmenters.registry.load_segmenter`. None takes the one that the model's folder
                holds or names, if any.
            device: "cpu", "cuda", "mps"; None takes a GPU if there is one.
            prompt: instead of the model's own.
            revision, segmenter_revision: branch, tag or commit on the Hub; a commit gives the same files for
                ever.
            allow_pickle: read a segmenter from a pickled file other than the MedSAM2 whose SHA-256 is known.
            family: as for `reasoners.registry.load_reasoner`.

        Errors: ReasonerError, SegmenterError; also for a checkpoint whose prompt, frame or tensors do not fit
            what it says of itself.
        """
        embedded = model is None or str(model) == EMBEDDED_NAME
        if embedded and not EMBEDDED_FOLDER.is_dir():
            raise ReasonerError(
                f"the embedded model is not installed: there is no folder {EMBEDDED_FOLDER}; name a model"
            )
        name, folder = (EMBEDDED_NAME, EMBEDDED_FOLDER) if embedded else (str(model), None)
        if folder is None and has_files(name):
            usable_device(device)
            try:
                folder = fetch_folder(name, revision)
            except HubError as error:
                raise ReasonerError(str(error)) from error
        reasoner = load_reasoner(folder or name, device, prompt, name=name, family=family)
        paired, options = reasoner.paired_segmenter, (segmenter_revision, allow_pickle)
        if paired is None or (segmenter is not None and full_name(segmenter) != paired.segmenter):
            return MedReasoner(reasoner, load_segmenter(segmenter, device, None, *options), folder)
        made_for = (
            paired.segmenter if isinstance(paired.segmenter, str) else f"{name}/{paired.segmenter.name}"
        )
        chosen = load_segmenter(paired.segmenter, device, paired.tower, *options, name=made_for)
        return MedReasoner(reasoner, chosen, folder)

    @property
    def revision(self) -> str | None:
        """The commit on the Hub that the reasoner comes from, None for a local one."""
        return self.reasoner.revision

    @property
    def segmenter_revision(self) -> str | None:
        """The commit on the Hub that the segmenter comes from, None for a local one."""
        return self.segmenter.revision

    def push_to_hub(self, repo_id: str, **options: object) -> Push:
        """Publish the files this model was loaded from, as `hub.publish.publish` does."""
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
        """The events of one run, see `pipeline.ground`.

        Args:
            image: whatever `imaging.load_image` reads.

        Errors: ImageError.
        """
        return ground(_picture(image), question, self.reasoner, self.segmenter, think, stop, cache)

    def prepare(self, image: Source, cache: ImageCache) -> None:
        """Take in `image` before anything is asked: `cache` then holds what both models make of it, and the
        next run with it begins with the question. Errors: ReasonerError, SegmenterError, ImageError."""
        picture = _picture(image)
        encoded = self.reasoner.encode(picture)
        cache.segmenter_encoding = self.segmenter.encode(picture, encoded.features)
        cache.reasoner_encoding = replace(encoded, features=None)

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
    ) -> Iterator[SampledAnswer]:
        """The same question answered `number` times at random, see `sampling.sample_answers`;
        `metrics.agreement` says how much the answers agree.

        Errors: ReasonerError, ValueError, ImageError.
        """
        options = {"think": think, "stop": stop, "cache": cache}
        return sample_answers(_picture(image), question, self.reasoner, number, temperature, **options)

    def refine(
        self,
        image: Source,
        grounding: Grounding,
        clicks: Sequence[Click] = (),
        cache: ImageCache | None = None,
    ) -> Refined:
        """The mask for a corrected `grounding`, see `refine.refine`. Errors: GroundingError, SegmenterError,
        ImageError.
        """
        return refine(_picture(image), self.segmenter, grounding, clicks, cache)

    def provenance(self, question: str) -> Provenance:
        """Prompt, question and the commits of both models, for the files of a run."""
        return Provenance.of(self.reasoner.prompt, question, self.revision, self.segmenter_revision)

    def ground(self, image: Source, question: str, think: bool = True) -> Done | Absent:
        """The last event of `stream`; `found` says which of the two it is. Errors: GroundingFailed where that
        is a Failed, ImageError.
        """
        *_, last = self.stream(image, question, think)
        if isinstance(last, Failed):
            raise GroundingFailed(last)
        return last

    def stream_volume(
        self,
        volume: str | Path | Volume,
        question: str,
        slice: int | None = None,
        think: bool = True,
        stop: threading.Event | None = None,
    ) -> Iterator[VolumeEvent]:
        """The events of one run over a volume, see `volume.ground_volume`.

        Args:
            volume: a NIfTI file, a folder with the DICOM slices of one series, or an opened `Volume`.
            slice: the slice to ask, counted from 1; None finds it.

        Errors: ImageError.
        """
        opened = volume if isinstance(volume, Volume) else load_volume(volume)
        return ground_volume(opened, question, self.reasoner, self.segmenter, slice, think, stop)

    def ground_volume(
        self, volume: str | Path | Volume, question: str, slice: int | None = None, think: bool = True
    ) -> VolumeDone | Absent:
        """The last event of `stream_volume`. Errors: GroundingFailed where that is a Failed, ImageError."""
        *_, last = self.stream_volume(volume, question, slice, think)
        if isinstance(last, Failed):
            raise GroundingFailed(last)
        return last


def _picture(image: Source) -> Image.Image:
    return image if isinstance(image, Image.Image) and image.mode == "RGB" else load_image(image).image

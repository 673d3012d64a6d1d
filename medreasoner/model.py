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

from medreasoner.events import Absent, Done, Event
from medreasoner.geometry import Grounding
from medreasoner.hub.errors import HubError
from medreasoner.hub.push import Push
from medreasoner.image_cache import ImageCache
from medreasoner.imaging import load_image
from medreasoner.last_event import last_event
from medreasoner.output.grounding_json import Provenance
from medreasoner.pair_loading import fitting_segmenter, load_pair
from medreasoner.pipeline import ground
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import PreparingReasoner
from medreasoner.refine import Refined, refine
from medreasoner.sampling import SAMPLES, TEMPERATURE, SampledAnswer, sample_answers
from medreasoner.segmenters.base import Click
from medreasoner.volume_grounder import VolumeGrounder

Source = str | Path | bytes | Image.Image | np.ndarray


class MedReasoner(VolumeGrounder):
    """A reasoner and a segmenter that answer questions about images and volumes. Safe to share between
    threads.

    Args:
        folder: where the reasoner's files lie, None for a recording or a served model.
    """

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
        pair = load_pair(
            model,
            segmenter,
            device,
            prompt=prompt,
            revision=revision,
            segmenter_revision=segmenter_revision,
            allow_pickle=allow_pickle,
            family=family,
        )
        return MedReasoner(*pair)

    def with_segmenter(
        self,
        segmenter: str | Path | None,
        device: str | None = None,
        *,
        revision: str | None = None,
        allow_pickle: bool = False,
    ) -> "MedReasoner":
        """The same reasoner, without loading it again, with a segmenter as in `from_pretrained`. Errors:
        SegmenterError."""
        chosen = fitting_segmenter(self.reasoner, segmenter, device, revision, allow_pickle)
        return MedReasoner(self.reasoner, chosen, self.folder)

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
        encoded = cache.reasoner_encoding or self.reasoner.encode(picture)
        if cache.segmenter_encoding is None:
            cache.segmenter_encoding = self.segmenter.encode(picture, encoded.features)
        if encoded.prefix is None and isinstance(self.reasoner, PreparingReasoner):
            self.reasoner.prepare(encoded)
        cache.reasoner_encoding = replace(encoded, features=None)

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
        return last_event(self.stream(image, question, think))


def _picture(image: Source) -> Image.Image:
    return image if isinstance(image, Image.Image) and image.mode == "RGB" else load_image(image).image

"""What the page needs of a model; a `medreasoner.MedReasoner` has it."""

import threading
from collections.abc import Iterator
from typing import Protocol

from PIL import Image

from medreasoner.events import Event
from medreasoner.geometry import Grounding
from medreasoner.image_cache import ImageCache
from medreasoner.output.grounding_json import Provenance
from medreasoner.refine import Refined
from medreasoner.sampling import SAMPLES, TEMPERATURE, SampledAnswer
from medreasoner.segmenters.base import Click


class Model(Protocol):
    """What the page needs of a `medreasoner.MedReasoner`."""

    name: str
    can_sample: bool
    # it reasons first or answers at once, as asked
    thinks_on_request: bool

    @property
    def parts(self) -> tuple:
        """Reasoner and segmenter; asked for only where visitors may choose a model."""

    def stream(
        self,
        image: Image.Image,
        question: str,
        think: bool = True,
        stop: threading.Event | None = None,
        cache: ImageCache | None = None,
    ) -> Iterator[Event]:
        """The events of one run; see `pipeline.ground`."""

    def samples(
        self,
        image: Image.Image,
        question: str,
        number: int = SAMPLES,
        temperature: float = TEMPERATURE,
        think: bool = True,
        stop: threading.Event | None = None,
        cache: ImageCache | None = None,
    ) -> Iterator[SampledAnswer]:
        """Answers by chance; see `sampling.sample_answers`. Asked for only where `can_sample`."""

    def refine(
        self,
        image: Image.Image,
        grounding: Grounding,
        clicks: tuple[Click, ...] = (),
        cache: ImageCache | None = None,
    ) -> Refined:
        """The mask for a corrected grounding; see `refine.refine`."""

    def prepare(self, image: Image.Image, cache: ImageCache) -> None:
        """Take the image in before anything is asked; see `MedReasoner.prepare`."""

    def provenance(self, question: str) -> Provenance:
        """What would make the answer to `question`, for the files one takes home."""

"""The page's calls to one model: a run, a mask for a correction, samples. On ZeroGPU each is one GPU call.

Each call's time is measured for the next request of GPU seconds; a call ends when whoever reads it has gone.
"""

import threading
from collections.abc import Generator, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from typing import TypeVar

import spaces
from PIL import Image

from medreasoner.events import Absent, Done, Event, Failed
from medreasoner.geometry import Grounding
from medreasoner.image_cache import ImageCache
from medreasoner.messages import without_paths
from medreasoner.page import zerogpu
from medreasoner.page.model import Model
from medreasoner.page.public_words import hiding_paths, public_name
from medreasoner.page.session import Session
from medreasoner.page.worth import Worth
from medreasoner.page.zerogpu import FIRST_REFINEMENT, FIRST_RUN, FIRST_SAMPLES, DurationEstimate
from medreasoner.reasoners.base import ReasonerError
from medreasoner.refine import Refined
from medreasoner.sampling import SAMPLES, SampledAnswer
from medreasoner.segmenters.base import Click, SegmenterError

T = TypeVar("T")


class ModelCalls:
    """The calls to `model`, shared by all visitors. When a visitor stops or leaves, Gradio closes the
    generator it reads, and the model stops with it.

    Args:
        key: tells it from the other models of the page, for what is kept of an image.
    """

    def __init__(self, model: Model, key: Hashable = "") -> None:
        self.model, self.key = model, key
        self.worth = Worth.of_folder(getattr(model, "folder", None))
        self._preparing = ThreadPoolExecutor(1, "prepare")
        self._run_time = DurationEstimate(FIRST_RUN)
        self._refine_time = DurationEstimate(FIRST_REFINEMENT)
        self._samples_time = DurationEstimate(FIRST_SAMPLES)
        self._gpu_events = spaces.GPU(duration=self._run_time.seconds)(self._events)
        self._gpu_refine = spaces.GPU(duration=self._refine_time.seconds)(self._refine)
        self._gpu_samples = spaces.GPU(duration=self._samples_time.seconds)(self._samples)

    @property
    def typical_seconds(self) -> float | None:
        """What a run takes here, the median of the last ones; None before the first."""
        return self._run_time.typical()

    @property
    def name(self) -> str:
        """The model's Hub id, or the last two parts of its folder: visitors need not see this server's
        paths."""
        return public_name(self.model.name)

    def prepare(self, session: Session) -> None:
        """Let the model take in the image that a visitor has opened, beside what the visitor does; its next
        run waits for the end of this. Not on ZeroGPU, where it would cost quota and be lost with its process.
        """
        if not zerogpu.is_zero_gpu():
            session.prepared[self.key] = self._preparing.submit(self._prepare, session)

    def _prepare(self, session: Session) -> None:
        cache = session.cache_of(self.key)
        if session.tasks.closed:
            return
        # what is wrong with the model is said when a question is asked
        with suppress(ReasonerError, SegmenterError):
            self.model.prepare(session.loaded.image, cache)

    def answer(self, session: Session, question: str, think: bool = True) -> Iterator[Event]:
        """The model's events for the image that a visitor has opened. Errors: gr.Error of ZeroGPU."""
        prepared = session.prepared.get(self.key)
        return self.events(session.loaded.image, question, think, session.cache_of(self.key), prepared)

    def events(
        self,
        image: Image.Image,
        question: str,
        think: bool = True,
        cache: ImageCache | None = None,
        prepared: Future | None = None,
    ) -> Iterator[Event]:
        """The model's events, after `prepared`. Errors: gr.Error of ZeroGPU.

        Args:
            think: heeded only by a model that can do both.
        """
        if prepared is not None:
            prepared.result()
        think = think or not self.model.thinks_on_request
        with closing(self._gpu_events(image, question, think, cache)) as events:
            for event in events:
                if isinstance(event, (Absent, Done)):
                    self._run_time.add(event.timings_s["total"])
                    named = {"model": public_name(event.model), "segmenter": public_name(event.segmenter)}
                    event = replace(event, **named)
                elif isinstance(event, Failed):
                    event = replace(event, message=without_paths(event.message))
                yield event

    def refine(
        self,
        image: Image.Image,
        grounding: Grounding,
        clicks: tuple[Click, ...],
        cache: ImageCache | None = None,
    ) -> Refined:
        """Errors: GroundingError, SegmenterError, gr.Error of ZeroGPU."""
        with hiding_paths():
            refined = self._gpu_refine(image, grounding, clicks, cache)
        self._refine_time.add(refined.seconds)
        return refined

    def samples(
        self, image: Image.Image, question: str, think: bool = True, cache: ImageCache | None = None
    ) -> Iterator[SampledAnswer]:
        """Errors: ReasonerError, gr.Error of ZeroGPU."""
        seconds = 0.0
        with hiding_paths(), closing(self._gpu_samples(image, question, think, cache)) as samples:
            for number, sample in enumerate(samples, start=1):
                seconds += sample.seconds
                if number == SAMPLES:
                    self._samples_time.add(seconds)
                yield sample

    def _events(
        self, image: Image.Image, question: str, think: bool, cache: ImageCache | None
    ) -> Iterator[Event]:
        stop = threading.Event()
        run = self.model.stream(image, question, think=think, stop=stop, cache=cache)
        yield from stopping_when_closed(run, stop)

    def _refine(
        self, image: Image.Image, grounding: Grounding, clicks: tuple[Click, ...], cache: ImageCache | None
    ) -> Refined:
        return self.model.refine(image, grounding, clicks, cache)

    def _samples(
        self, image: Image.Image, question: str, think: bool, cache: ImageCache | None
    ) -> Iterator[SampledAnswer]:
        stop = threading.Event()
        run = self.model.samples(image, question, think=think, stop=stop, cache=cache)
        yield from stopping_when_closed(run, stop)


def stopping_when_closed(run: Generator[T], stop: threading.Event) -> Iterator[T]:
    """What `run` yields. Closing this generator tells the model to stop, and closes the run in another
    thread: that waits for the model's last token, which the server's own thread must not."""
    try:
        while event := next(run, None):  # `yield from` would close the run before it is told to stop
            yield event
    except GeneratorExit:
        stop.set()
        threading.Thread(target=run.close).start()
        raise

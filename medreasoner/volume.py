"""One grounding run over a volume: the slice is found, the question is put to it, and its mask grows through
the stack.

    for event in ground_volume(volume, question, reasoner, segmenter): ...

Events follow the grammar in `events.py`. Each slice is encoded once, and what is done is dropped.
"""

import threading
import time
from collections.abc import Iterator

import numpy as np

from medreasoner.answer import parse
from medreasoner.events import (
    Absent,
    Chosen,
    Done,
    Failed,
    Propagated,
    VolumeDone,
    VolumeEvent,
)
from medreasoner.image_cache import ImageCache
from medreasoner.imaging import ImageError, Volume
from medreasoner.key_slice import Scan, scan
from medreasoner.output.size import longest_axis_mm
from medreasoner.pipeline import ground
from medreasoner.question import clean, refuse
from medreasoner.reasoners.base import EncodedImage, Reasoner, ReasonerError
from medreasoner.segmenters.base import Segmenter, SegmenterError, SegmenterPrompt
from medreasoner.segmenters.propagation import Propagator, propagator_of
from medreasoner.volume_masks import VolumeSlices, seed_component


def ground_volume(
    volume: Volume,
    question: str,
    reasoner: Reasoner,
    segmenter: Segmenter,
    slice: int | None = None,
    think: bool = True,
    stop: threading.Event | None = None,
    *,
    propagator: Propagator | None = None,
) -> Iterator[VolumeEvent]:
    """Ground `question` in `volume`.

    Args:
        slice: the slice to ask, counted from 1; None finds it.
        stop: set it from anywhere to end the run within a slice; closing the generator does the same.
        propagator: instead of the segmenter's own.

    Failed has the reason "image" for a slice that cannot be read, or one of `pipeline.ground`.
    """
    run = _VolumeRun(volume, reasoner, segmenter, stop or threading.Event(), propagator)
    if refusal := refuse(question):
        yield Failed("question", refusal)
        return
    try:
        yield from run.events(clean(question), slice, think)
    except ReasonerError as error:
        yield Failed("model", f"{error}.")
    except SegmenterError as error:
        yield Failed("segmenter", f"{error}.")
    except ImageError as error:
        yield Failed("image", str(error))


class _VolumeRun:
    """What one run has come to so far."""

    def __init__(
        self,
        volume: Volume,
        reasoner: Reasoner,
        segmenter: Segmenter,
        stop: threading.Event,
        propagator: Propagator | None,
    ) -> None:
        self.volume, self.reasoner, self.segmenter, self.stop = volume, reasoner, segmenter, stop
        self.propagator = propagator or propagator_of(segmenter)
        self.started, self.timings = time.perf_counter(), {}
        self.encoded: dict[int, EncodedImage] = {}  # of the slices that were scanned
        self.scan = Scan()

    def now(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.started

    def events(self, question: str, chosen: int | None, think: bool) -> Iterator[VolumeEvent]:
        slices = self.volume.shape[0]
        if chosen is None:
            yield from scan(slices, self.encode, question, self.reasoner, self.scan, think, self.stop)
            chosen = self.scan.best()
        self.timings["scanned"] = self.now()
        if chosen is None or self.stop.is_set():  # after a stop no slice is asked, nor the visitor led there
            yield self.nowhere()
            return
        picture = self.volume.picture(chosen)
        yield Chosen(chosen, slices, self.volume.axis, asked=not self.scan.scanned)
        reasoner, cache, last = self.reasoner, ImageCache(), None
        if chosen in self.encoded:
            reasoner = _WithEncoding(reasoner, self.encoded[chosen])
        for last in ground(picture, question, reasoner, self.segmenter, think, self.stop, cache):
            if not isinstance(last, Done):
                yield last
        if isinstance(last, Done):
            self.timings["key"] = self.now()
            yield from self.grow(chosen, last, cache)

    def grow(self, chosen: int, key: Done, cache: ImageCache) -> Iterator[Propagated | VolumeDone]:
        """The masks of all other slices, and the end."""
        features = {number: one.features for number, one in self.encoded.items()}
        self.encoded.clear()

        slices = VolumeSlices(self.volume, self.segmenter, features, {chosen: cache.segmenter_encoding})
        mask, scores = np.zeros(self.volume.shape, bool), {chosen: key.mask_score}
        mask[chosen - 1] = key.mask
        if key.mask.any():
            seeds = {chosen: SegmenterPrompt.of(key.grounding)}
            for one in self.propagator.propagate(slices, seeds, self.stop):
                if one.number == chosen:
                    continue
                mask[one.number - 1], scores[one.number] = one.mask, one.score
                yield Propagated(one.number, one.mask, one.score, self.now())
        yield self.done(chosen, key, seed_component(mask, {chosen: key.mask}), scores)

    def done(self, chosen: int, key: Done, mask: np.ndarray, scores: dict[int, float]) -> VolumeDone:
        spacing, notes = self.volume.spacing_mm, (*self.volume.notes, *key.notes)
        if self.stop.is_set():
            notes = (*notes, "Stopped before every slice was reached; the mask ends where it was stopped.")
        filled = {number: score for number, score in sorted(scores.items()) if mask[number - 1].any()}
        return VolumeDone(
            key=key,
            slice=chosen,
            mask=mask,
            scores=filled,
            scanned=tuple(self.scan.scanned),
            axis=self.volume.axis,
            spacing_mm=spacing,
            volume_ml=self.volume.volume_ml(mask),
            long_axis_mm=None if spacing is None else longest_axis_mm(mask, spacing),
            notes=notes,
            timings_s={**self.timings, "total": self.now()},
        )

    def encode(self, number: int) -> EncodedImage:
        """What the reasoner made of a slice, kept for the chosen one and for the segmenter."""
        self.encoded[number] = self.reasoner.encode(self.volume.picture(number))
        return self.encoded[number]

    def nowhere(self) -> Absent | Failed:
        """The end of a run that asked no slice: it was stopped, the target is in none, or no answer could be
        read."""
        if self.stop.is_set():
            return Failed("stopped", "Stopped before a slice was asked.")
        absent = [one.slice for one in self.scan.scanned if one.found is False]
        asked = len(self.scan.scanned)
        if not absent:
            parsed = parse(next(iter(self.scan.texts.values()), ""))
            return Failed(parsed.reason, f"No answer about {asked} slices can be read: {parsed.detail}")
        text = self.scan.texts[absent[len(absent) // 2]]
        seconds = {"read": 0.0, "first_token": 0.0, "total": self.now()}
        return Absent(
            think=parse(text).think or "",
            answer_text=text,
            image_wh=self.volume.shape[:0:-1],
            notes=(
                *self.volume.notes,
                f"{asked} of {self.volume.shape[0]} slices were looked at; none shows it.",
            ),
            timings_s=seconds,
            tokens_per_s=None,
            model=self.reasoner.name,
            segmenter=self.segmenter.name,
        )


class _WithEncoding:
    """A reasoner that knows what it made of an image already."""

    def __init__(self, reasoner: Reasoner, encoded: EncodedImage) -> None:
        self._reasoner, self._encoded = reasoner, encoded

    def encode(self, image: object) -> EncodedImage:
        return self._encoded

    def __getattr__(self, name: str) -> object:
        return getattr(self._reasoner, name)

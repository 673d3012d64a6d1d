"""The page's calls to a model about a whole stack: a run, and masks anew after a correction."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Protocol

from medreasoner.events import Absent, Failed, VolumeDone, VolumeEvent
from medreasoner.imaging import Volume
from medreasoner.messages import without_paths
from medreasoner.output.grounding_json import Provenance
from medreasoner.page.model_calls import stopping_when_closed
from medreasoner.page.public_words import hiding_paths, public_name
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.propagation import SliceMask


class VolumeModel(Protocol):
    """What the page needs of a `medreasoner.MedReasoner` for stacks."""

    # it reasons first or answers at once, as asked
    thinks_on_request: bool

    def stream_volume(
        self,
        volume: Volume,
        question: str,
        slice: int | None = None,
        think: bool = True,
        stop: threading.Event | None = None,
    ) -> Iterator[VolumeEvent]:
        """The events of one run; see `volume.ground_volume`."""

    def refine_volume(
        self,
        volume: Volume,
        seeds: Mapping[int, SegmenterPrompt],
        changed: int | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[SliceMask]:
        """The masks anew; see `volume_masks.refine_volume`."""

    def provenance(self, question: str) -> Provenance:
        """What would make the answer to `question`."""


class VolumeCalls:
    """The calls to `model`, shared by all visitors; see `model_calls.ModelCalls`."""

    def __init__(self, model: VolumeModel) -> None:
        self.model = model

    def events(
        self, volume: Volume, question: str, slice: int | None, think: bool, stop: threading.Event
    ) -> Iterator[VolumeEvent]:
        """The model's events. Closing this, or setting `stop`, ends the run within a slice.

        Args:
            think: heeded only by a model that can do both.
        """
        think = think or not self.model.thinks_on_request
        run = self.model.stream_volume(volume, question, slice, think, stop)
        with closing(stopping_when_closed(run, stop)) as events:
            for event in events:
                if isinstance(event, VolumeDone):
                    event = replace(event, key=named(event.key))
                elif isinstance(event, Failed):
                    event = replace(event, message=without_paths(event.message))
                yield named(event) if isinstance(event, Absent) else event

    def refine(
        self,
        volume: Volume,
        seeds: Mapping[int, SegmenterPrompt],
        changed: int | None,
        stop: threading.Event,
    ) -> Iterator[SliceMask]:
        """Errors: SegmenterError, ImageError."""
        run = self.model.refine_volume(volume, seeds, changed, stop)
        with hiding_paths(), closing(stopping_when_closed(run, stop)) as masks:
            yield from masks


def named(result: Absent) -> Absent:
    """A result with names that visitors may see."""
    return replace(result, model=public_name(result.model), segmenter=public_name(result.segmenter))

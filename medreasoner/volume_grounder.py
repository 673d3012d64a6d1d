"""What a pair of models answers about volumes, streaming and blocking."""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from medreasoner.events import Absent, VolumeDone, VolumeEvent
from medreasoner.imaging import Volume, load_volume
from medreasoner.last_event import last_event
from medreasoner.pair import Pair
from medreasoner.segmenters.base import SegmenterPrompt
from medreasoner.segmenters.propagation import SliceMask
from medreasoner.volume import ground_volume
from medreasoner.volume_masks import refine_volume


class VolumeGrounder(Pair):
    """A pair of models, put to volumes."""

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
        return last_event(self.stream_volume(volume, question, slice, think))

    def refine_volume(
        self,
        volume: Volume,
        seeds: Mapping[int, SegmenterPrompt],
        changed: int | None = None,
        stop: threading.Event | None = None,
    ) -> Iterator[SliceMask]:
        """The masks of a volume anew after corrections, see `volume_masks.refine_volume`. Errors:
        SegmenterError, ImageError.
        """
        return refine_volume(volume, self.segmenter, seeds, changed, stop)

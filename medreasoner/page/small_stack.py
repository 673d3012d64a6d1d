"""A small grey copy of a stack, for its planes."""

from dataclasses import replace
from math import ceil

import numpy as np

from medreasoner.imaging import ImageError, LoadedImage, Volume

SMALL = 256  # pixels, of the longest side of a slice


class SmallStack:
    """A small grey copy of a stack, kept slice by slice as they are read for the run."""

    def __init__(self, volume: Volume) -> None:
        self._volume, self._kept = volume, {}
        self.step = ceil(max(volume.shape[1:]) / SMALL)

    def watched(self) -> Volume:
        """The volume; each slice that is read of it is copied."""
        return replace(self._volume, show=self._show)

    def whole(self) -> np.ndarray:
        """(D, h, w) uint8; black where a slice cannot be read."""
        depth, rows, columns = self._volume.shape
        grey = np.zeros((depth, ceil(rows / self.step), ceil(columns / self.step)), np.uint8)
        for number in range(1, depth + 1):
            if number not in self._kept:
                try:
                    self._show(number)
                except ImageError:
                    continue
            grey[number - 1] = self._kept[number]
        return grey

    def _show(self, number: int) -> LoadedImage:
        loaded = self._volume.show(number)
        if number not in self._kept:
            self._kept[number] = np.asarray(loaded.image.convert("L"))[:: self.step, :: self.step].copy()
        return loaded

"""Finds near-copies of a picture at other sizes and compressions, by difference hashes.

Two neighbouring slices may count as copies, two photographs of one lesion may not.
"""

import numpy as np
from PIL import Image

SIDE = 16  # the hash has SIDE * SIDE bits
MAX_DISTANCE = 10  # bits in which two pictures may differ and still count as copies


def dhash(image: Image.Image) -> bytes:
    """Difference hash, 32 bytes: nearly equal for copies of a picture at other sizes and compressions."""
    grey = np.asarray(image.convert("L").resize((SIDE + 1, SIDE), Image.Resampling.BILINEAR), np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


class HashIndex:
    """A growing collection of hashes, searched by distance; 32 bytes a picture."""

    def __init__(self) -> None:
        self._hashes = np.empty((64, SIDE * SIDE // 64), np.uint64)
        self._count = 0

    def add(self, code: bytes) -> None:
        """Take in the hash of a picture."""
        if self._count == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)])
        self._hashes[self._count] = np.frombuffer(code, np.uint64)
        self._count += 1

    def has_near(self, code: bytes) -> bool:
        """Whether a hash within MAX_DISTANCE bits of `code` is in it."""
        if not self._count:
            return False
        distances = np.bitwise_count(self._hashes[: self._count] ^ np.frombuffer(code, np.uint64)).sum(axis=1)
        return bool(distances.min() <= MAX_DISTANCE)

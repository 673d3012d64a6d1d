"""Near-duplicate pictures, and splits in which no patient is twice.

Is: a difference hash with the set of those that have come, and the split that a case's name decides.
Is not: a judge of likeness: two neighbouring slices may look alike, two photographs of one lesion may not.
"""

import hashlib

import numpy as np
from PIL import Image

SIZE = 16  # the hash has SIZE * SIZE bits
NEAR = 10  # bits in which two pictures may differ and still count as copies of each other


def dhash(image: Image.Image) -> bytes:
    """Difference hash, 256 bits: equal or nearly so for copies of a picture at other sizes and compressions."""
    grey = np.asarray(image.convert("L").resize((SIZE + 1, SIZE), Image.Resampling.BILINEAR), np.int16)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


class Seen:
    """The hashes that have come; 32 bytes a picture."""

    def __init__(self):
        self._hashes = np.empty((64, SIZE * SIZE // 64), np.uint64)
        self._count = 0

    def add(self, code: bytes) -> None:
        if self._count == len(self._hashes):
            self._hashes = np.concatenate([self._hashes, np.empty_like(self._hashes)])
        self._hashes[self._count] = np.frombuffer(code, np.uint64)
        self._count += 1

    def near(self, code: bytes) -> bool:
        """Whether a picture within NEAR bits of `code` has come."""
        if not self._count:
            return False
        apart = np.bitwise_count(self._hashes[: self._count] ^ np.frombuffer(code, np.uint64)).sum(axis=1)
        return bool(apart.min() <= NEAR)


def split_of(case: str, validation: float, seed: int = 0) -> str:
    """"validation" for about that share of cases, else "train"; decided by the case's name, so every image of a patient goes one way."""
    drawn = int.from_bytes(hashlib.sha256(f"{seed}/{case}".encode()).digest()[:8]) / 2**64
    return "validation" if drawn < validation else "train"

"""Digest of a set's contents, and the name and version people gave it: which data a score was taken on.

The digest covers what is asked and what is true, so runs on different data are never compared unnoticed. It
is the same for a folder and for the parquet made of it, in any order. Categories, reasoning and licences do
not change a score, so they are left out.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medreasoner.data.sample import Sample, SampleError

REPORT = "report.json"  # beside the samples of a built or published set


def digest(samples: Iterable[Sample]) -> str:
    """64 hex digits over ids, questions, image bytes, mask pixels, and stated boxes and points.

    A file that cannot be read counts as a missing one.
    """
    return digest_lines(digest_line(sample) for sample in samples)


def digest_lines(lines: Iterable[str]) -> str:
    """`digest` of the samples that these are the `digest_line`s of."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def digest_line(sample: Sample) -> str:
    """What counts of one sample, as JSON."""
    return json.dumps(
        [
            sample.id,
            sample.question,
            _image_digest(sample.image),
            _mask_digest(sample),
            sample.box,
            sample.points,
        ]
    )


def _image_digest(image: Path | bytes) -> str | None:
    try:
        return hashlib.sha256(image if isinstance(image, bytes) else image.read_bytes()).hexdigest()
    except OSError:
        return None


def _mask_digest(sample: Sample) -> str | None:
    if sample.mask is None:
        return None
    try:
        mask = sample.load_mask()
    except SampleError:
        return None
    return hashlib.sha256(f"{mask.shape}".encode() + np.packbits(mask).tobytes()).hexdigest()


@dataclass(frozen=True)
class Named:
    """A set as its report.json names it: name with version, and for each split `samples` and `sha256`."""

    name: str
    splits: dict[str, dict]

    @staticmethod
    def read(report: dict) -> "Named | None":
        """From a report; None where the set was given no name."""
        name, splits = report.get("name"), report.get("splits")
        return Named(name, splits) if isinstance(name, str) and name and isinstance(splits, dict) else None

    def what(self, number: int, found: str) -> str:
        """In words, which part of the set `number` samples with the digest `found` are."""
        for split, about in self.splits.items():
            if about.get("sha256") == found:
                return f"{self.name}, {split}"
        return f"{self.name}, a part or a changed copy: {number} samples"

"""What data a score was taken on: one name for the contents of a set, and the name and version that people gave it.

Is: a digest of what is asked and what is true, so that runs on different data are never compared unnoticed; the same for a folder and for
the parquet made of it, whatever the order. Is not: a digest of files on disk: categories, reasoning and licences do not change a score.
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
    """64 hex digits: ids, questions, the bytes of the images, the pixels of the masks, and boxes and points where they are stated. A file
    that cannot be read counts as one that is not there."""
    return of_lines(line(sample) for sample in samples)


def of_lines(lines: Iterable[str]) -> str:
    """`digest` of the samples whose `line`s these are."""
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def line(sample: Sample) -> str:
    """What counts of one sample."""
    return json.dumps(
        [sample.id, sample.question, _bytes(sample.image), _mask(sample), sample.box, sample.points]
    )


def _bytes(image: Path | bytes) -> str | None:
    try:
        return hashlib.sha256(image if isinstance(image, bytes) else image.read_bytes()).hexdigest()
    except OSError:
        return None


def _mask(sample: Sample) -> str | None:
    if sample.mask is None:
        return None
    try:
        mask = sample.load_mask()
    except SampleError:
        return None
    return hashlib.sha256(f"{mask.shape}".encode() + np.packbits(mask).tobytes()).hexdigest()


@dataclass(frozen=True)
class Named:
    """A set as its report.json has it: its name with its version, and for each split how many samples it has and their digest."""

    name: str
    splits: dict[str, dict]

    @staticmethod
    def read(report: dict) -> "Named | None":
        """Of a report; None where the set was given no name."""
        name, splits = report.get("name"), report.get("splits")
        return Named(name, splits) if isinstance(name, str) and name and isinstance(splits, dict) else None

    def what(self, number: int, found: str) -> str:
        """In words, which part of the set `number` samples with the digest `found` are."""
        for split, about in self.splits.items():
            if about.get("sha256") == found:
                return f"{self.name}, {split}"
        return f"{self.name}, a part or a changed copy: {number} samples"

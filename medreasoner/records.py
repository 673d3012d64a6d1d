"""One sample answered, scored and written down.

Is: the record of a run and its file, which grows line by line, so that a run that was killed goes on where it was.
Is not: a summary (`evaluate.py`), and not a stopwatch: questions about one image share its encoding here, so later ones start sooner than
they do on the page.

Coordinates in records are pixels of the original image.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.answer import parse
from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample, SampleError
from medreasoner.events import Done, Event, Failed, Located, Thinking
from medreasoner.geometry import Box, Grounding
from medreasoner.images import ImageError
from medreasoner.metrics import box_iou, dice, paper_pdice
from medreasoner.place import agrees
from medreasoner.reasoner import Look, Reasoner
from medreasoner.segmenter import Segmenter

Record = dict[str, object]
Tell = Callable[[str], None]
EVERY = 20  # records between two reports of progress


# --- one encoding per image ---


class OneLook:
    """A reasoner that keeps its latest look: questions asked one after another about one image encode it once."""

    def __init__(self, reasoner: Reasoner):
        self.name, self.frame, self.prompt = reasoner.name, reasoner.frame, reasoner.prompt
        self.reasoner = reasoner
        self._kept: tuple[Image.Image, Look] | None = None

    def look(self, image: Image.Image) -> Look:
        if self._kept is None or self._kept[0] is not image:
            self._kept = image, self.reasoner.look(image)
        return self._kept[1]

    def stream(self, look: Look, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[str]:
        return self.reasoner.stream(look, question, think, stop)


class OneEncoding:
    """The same for a segmenter."""

    def __init__(self, segmenter: Segmenter):
        self.name = segmenter.name
        self.segmenter = segmenter
        self._kept: tuple[Image.Image, object] | None = None

    def encode(self, image: Image.Image, features: object = None) -> object:
        kept = self._kept  # an image left behind by a failed run may still be encoded in another thread
        if kept is None or kept[0] is not image:
            self._kept = kept = image, self.segmenter.encode(image, features)
        return kept[1]

    def segment(self, encoded: object, grounding: Grounding) -> tuple[np.ndarray, float]:
        return self.segmenter.segment(encoded, grounding)


class NoMasks:
    """A segmenter for runs that ask only for boxes; its mask is the whole image."""

    name = "none"

    def encode(self, image: Image.Image, features: object = None) -> tuple[int, int]:
        return image.size

    def segment(self, encoded: tuple[int, int], grounding: Grounding) -> tuple[np.ndarray, float]:
        return np.ones(encoded[::-1], bool), 0.0


# --- records ---


@dataclass(frozen=True)
class Case:
    """A sample with what its files hold: the RGB image, the truth in its pixels, and the true mask (H, W) bool or None."""

    sample: Sample
    image: Image.Image
    truth: Grounding
    mask: np.ndarray | None


class Opener:
    """Opens samples, with or without their masks; an image that several in a row share stays one object."""

    def __init__(self, masks: bool):
        self._masks = masks
        self._source: Path | bytes | None = None
        self._image: Image.Image | None = None

    def open(self, sample: Sample) -> Case:
        """Errors: ImageError, SampleError."""
        if sample.image != self._source:
            self._image = sample.load_image()
            self._source = sample.image
        image = self._image
        mask = sample.load_mask() if self._masks and sample.mask is not None else None
        if mask is not None and mask.shape != image.size[::-1]:
            raise SampleError(f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels, the image {image.width} x {image.height}")
        return Case(sample, image, sample.truth(), mask)


def answered(case: Case, events: Iterable[Event]) -> Record:
    """What one run came to, with its scores."""
    said, grounding, last = "", None, None
    for last in events:
        if isinstance(last, Thinking):
            said += last.text
        elif isinstance(last, Located):
            grounding = last.grounding
    text = last.answer_text if isinstance(last, Done) else last.text
    record = {
        "failure": last.reason if isinstance(last, Failed) else None,
        "message": last.message if isinstance(last, Failed) else None,
        "well_formed": parse(text).answer is not None,
        "think": said,
        "answer_text": text,
        "box": grounding and grounding.box,
        "points": grounding and grounding.points,
        "place_agrees": grounding and agrees(said, grounding.box, case.image.size),
        "box_iou": box_iou(grounding.box, case.truth.box) if grounding else 0.0,
        "pdice_published": paper_pdice(grounding.points, case.truth.points) if grounding else 0.0,
        "fits_best": fits_best(grounding and grounding.box, case.truth.box, case.sample.others),
        "mask_dice": None if case.mask is None else 0.0,
    }
    if isinstance(last, Done):
        if case.mask is not None:
            record["mask_dice"] = dice(last.mask, case.mask)
        record |= {"mask_score": last.mask_score, "notes": last.notes, "timings_s": last.timings_s, "tokens_per_s": last.tokens_per_s}
    return record


def fits_best(box: Box | None, asked: Box, others: Sequence[Box]) -> bool | None:
    """Whether `box` overlaps the asked target more than any other of the image; None where there is no other."""
    if not others:
        return None
    return box is not None and box_iou(box, asked) > max(box_iou(box, other) for other in others)


def resume(
    samples: Sequence[Sample], path: Path, run: dict, opener: Opener, work: Callable[[Case], Record], tell: Tell
) -> tuple[list[Record], list[str]]:
    """One record for every sample, from `path` where it is there already, else made by `work` and appended at once.

    Args:
        run: what made the records. A file whose records were made by anything else is refused (DataError).
    Returns: the records in the order of the samples, and a sentence for every sample whose files cannot be used.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    done = {(record["id"], record["question"]): record for record in read_records(path, run)}
    records, unusable = [], []
    with path.open("a", encoding="utf-8") as file:
        for number, sample in enumerate(samples, 1):
            record = done.get((sample.id, sample.question))
            if record is None or sample.box not in (None, tuple(record["truth"]["box"])):  # not asked yet, or the truth was mended since
                try:
                    case = opener.open(sample)
                except (ImageError, SampleError) as error:
                    unusable.append(f"{sample.id}: {error}")
                    continue
                record = {**_about(case), **work(case), "run": run}
                file.write(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n")
                file.flush()
            records.append(record)
            if number % EVERY == 0 or number == len(samples):
                tell(f"{path.name}: {number} of {len(samples)}")
    return records, unusable


def _about(case: Case) -> Record:
    sample = case.sample
    return {
        "id": sample.id,
        "question": sample.question,
        "modality": sample.modality,
        "category": sample.category,
        "case": sample.case,
        "image_wh": case.image.size,
        "truth": asdict(case.truth),
    }


def read_records(path: Path, run: dict) -> list[Record]:
    """The whole lines of `path`, [] if it is not there; a last line that a kill cut short is removed from the file."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
    records = []
    for number, line in enumerate(data[:whole].splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{path}, line {number} is not JSON ({error}); delete that line or the file") from error
        if record["run"] != run:
            raise DataError(f"{path} was made by {record['run']}, now it is {run}; choose another folder, or delete the file to begin anew")
        records.append(record)
    return records

"""One sample answered and scored.

Is: the case that is opened, and the record of its answer: as published and corrected, side by side under their own names.
Is not: a mean over many (`evaluate.py`), and not a stopwatch: questions about one image share its encoding here, so later ones start sooner
than they do on the page.

Coordinates in records are pixels of the original image. A failed answer scores 0, its boundary distance the image's whole diagonal.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.answer import parse
from medreasoner.data.sample import Sample, SampleError
from medreasoner.evaluation.adapters import points_given
from medreasoner.events import Done, Event, Failed, Located, Thinking
from medreasoner.geometry import Box, Grounding
from medreasoner.metrics import (
    boundary,
    box_iou,
    dice,
    mask_overlap,
    paper_box_iou,
    paper_dice,
    paper_pdice,
    point_dice,
    points_in_mask,
)
from medreasoner.output.rle import mask_to_rle
from medreasoner.reasoners.dialects import refused
from medreasoner.text.places import place_agrees

Record = dict[str, object]
TOLERANCE = 0.01  # of the image's diagonal, for the normalised surface distance: PNGs have no pixel spacing
SIZES = ((0.01, "under 1 %"), (0.05, "1 to 5 %"), (1.01, "over 5 %"))  # the target's share of the image
UNREADABLE = ("no answer block", "not closed", "not JSON", "missing key", "wrong shape", "not a number")


@dataclass(frozen=True)
class OpenedSample:
    """A sample with what its files hold: the RGB image, the truth in its pixels (None where the image holds no target), and the true mask
    (H, W) bool or None."""

    sample: Sample
    image: Image.Image
    truth: Grounding | None
    mask: np.ndarray | None


class Opener:
    """Opens samples, with or without their masks; an image that several in a row share stays one object."""

    def __init__(self, masks: bool):
        self._masks = masks
        self._source: Path | bytes | None = None
        self._image: Image.Image | None = None

    def open(self, sample: Sample) -> OpenedSample:
        """Errors: ImageError, SampleError."""
        if sample.image != self._source:
            self._image = sample.load_image()
            self._source = sample.image
        image = self._image
        mask = None
        if sample.mask is not None and (self._masks or sample.box is None):
            mask = sample.load_mask()
            if mask.shape != image.size[::-1]:
                raise SampleError(
                    f"the mask is {mask.shape[1]} x {mask.shape[0]} pixels, the image {image.width} x {image.height}"
                )
        absent = mask is not None and not mask.any() and sample.box is None
        return OpenedSample(sample, image, None if absent else sample.truth(), mask if self._masks else None)


def about(case: OpenedSample) -> Record:
    """What a record says of the sample."""
    sample, (width, height) = case.sample, case.image.size
    share = None
    if case.truth is not None:
        x1, y1, x2, y2 = case.truth.box
        share = (float(case.mask.sum()) if case.mask is not None else (x2 - x1) * (y2 - y1)) / (
            width * height
        )
    return {
        **{
            key: getattr(sample, key)
            for key in ("id", "question", "modality", "supercategory", "category", "case")
        },
        "image_wh": case.image.size,
        "size": share if share is None else next(name for limit, name in SIZES if share < limit),
        "truth": None if case.truth is None else asdict(case.truth),
    }


def answered(case: OpenedSample, events: Iterable[Event], input_wh: tuple[int, int] | None = None) -> Record:
    """What one run came to, with its scores.

    Args:
        input_wh: of the image as the reasoner saw it, so that its numbers can be read again in another frame.
    """
    said, grounding, last = "", None, None
    for last in events:
        if isinstance(last, Thinking):
            said += last.text
        elif isinstance(last, Located):
            grounding = last.grounding
    text = last.text if isinstance(last, Failed) else last.answer_text
    failure = last.reason if isinstance(last, Failed) else None
    mask = last.mask if isinstance(last, Done) else None
    record = {
        **about(case),
        "failure": "refusal" if failure in UNREADABLE and refused(text) else failure,
        "message": last.message if isinstance(last, Failed) else None,
        "well_formed": not isinstance(last, Failed) or parse(text).answer is not None,
        "found": None if isinstance(last, Failed) else last.found,
        "think": said,
        "answer_text": text,
        "input_wh": input_wh,
        "box": grounding and grounding.box,
        "points": grounding and grounding.points,
        "place_agrees": grounding and place_agrees(said, grounding.box, case.image.size),
        **box_scores(grounding and grounding.box, case),
        **point_scores(grounding and grounding.points, case, points_given(text)),
        **mask_scores(mask, case),
    }
    if isinstance(last, Done):
        record["mask_rle"] = None if case.mask is None else mask_to_rle(last.mask)
        record |= {
            "mask_score": last.mask_score,
            "coordinate_probability": last.coordinate_probability,
            "notes": last.notes,
        }
    if not isinstance(last, Failed):
        record |= {"timings_s": last.timings_s, "tokens_per_s": last.tokens_per_s}
    return record


def box_scores(box: Box | None, case: OpenedSample) -> Record:
    """Of a box, or of none; {} where the image holds no target."""
    if case.truth is None:
        return {}
    truth = case.truth.box
    return {
        "box_iou": box_iou(box, truth) if box else 0.0,
        "box_iou_published": paper_box_iou(box, truth) if box else 0.0,
        "fits_best": fits_best(box, truth, case.sample.others),
    }


def point_scores(points: Sequence | None, case: OpenedSample, given: bool = True) -> Record:
    """Of two points; None where the answer's form has no place for points (`given` is False), as the published table has it."""
    if case.truth is None:
        return {}
    if not given:
        return {"pdice_published": None, "point_dice": None, "points_in_mask": None}
    truth = case.truth.points
    hit = None if case.mask is None else points_in_mask(points, case.mask) if points else 0.0
    return {
        "pdice_published": paper_pdice(points, truth) if points else 0.0,
        "point_dice": point_dice(points, truth) if points else 0.0,
        "points_in_mask": hit,
    }


def mask_scores(mask: np.ndarray | None, case: OpenedSample) -> Record:
    """Of a mask, or of none. `hd95` is in shares of the image's diagonal; `overlap` is [intersection, union] in pixels."""
    if case.truth is None:
        return {}
    if case.mask is None:
        return dict.fromkeys(("mask_dice", "mask_dice_published", "mask_iou", "overlap", "hd95", "nsd"))
    drawn = np.zeros_like(case.mask) if mask is None else mask
    diagonal = math.hypot(*case.image.size)
    distance, nsd = boundary(drawn, case.mask, TOLERANCE * diagonal)
    overlap = mask_overlap(drawn, case.mask)
    return {
        "mask_dice": dice(drawn, case.mask),
        "mask_dice_published": paper_dice(drawn, case.mask),
        "mask_iou": overlap[0] / overlap[1],
        "overlap": overlap,
        "hd95": min(1.0, distance / diagonal),
        "nsd": nsd,
    }


def fits_best(box: Box | None, asked: Box, others: Sequence[Box]) -> bool | None:
    """Whether `box` overlaps the asked target more than any other of the image; None where there is no other."""
    if not others:
        return None
    return box is not None and box_iou(box, asked) > max(box_iou(box, other) for other in others)

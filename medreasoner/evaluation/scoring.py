"""One answer scored: from the events of a run to its record, by the usual formulas and by the published ones.

Timings in records are not those of the page: questions about one image share its encoding here, so later ones
start sooner. A failed answer scores 0, its boundary distance is the image's whole diagonal.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from medreasoner.answer import parse
from medreasoner.evaluation.adapters import points_given
from medreasoner.evaluation.answer_scores import Scores
from medreasoner.evaluation.opened_sample import OpenedSample
from medreasoner.evaluation.record import Record
from medreasoner.events import Absent, Done, Event, Failed, Located, Thinking
from medreasoner.geometry import Box, Grounding, Point
from medreasoner.metrics import (
    boundary,
    box_iou,
    dice,
    mask_iou,
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

TOLERANCE = 0.01  # of the image's diagonal, for the normalised surface distance: PNGs have no pixel spacing
UNREADABLE = ("no answer block", "not closed", "not JSON", "missing key", "wrong shape", "not a number")


@dataclass
class _Outcome:
    """What the events of one run came to."""

    think: str = ""
    grounding: Grounding | None = None
    last: Done | Absent | Failed | None = None

    @staticmethod
    def of(events: Iterable[Event]) -> "_Outcome":
        outcome = _Outcome()
        for event in events:
            if isinstance(event, Thinking):
                outcome.think += event.text
            elif isinstance(event, Located):
                outcome.grounding = event.grounding
            elif isinstance(event, Done | Absent | Failed):
                outcome.last = event
        return outcome

    @property
    def text(self) -> str:
        """Everything the model wrote."""
        return self.last.text if isinstance(self.last, Failed) else self.last.answer_text

    @property
    def failure(self) -> str | None:
        """The event's reason; "refusal" for prose that says no answer will be given."""
        if not isinstance(self.last, Failed):
            return None
        return "refusal" if self.last.reason in UNREADABLE and refused(self.text) else self.last.reason


def score_events(
    opened: OpenedSample, events: Iterable[Event], input_wh: tuple[int, int] | None = None
) -> Record:
    """The record of one run of `pipeline.ground`.

    Args:
        input_wh: (width, height) of the image as the reasoner saw it, so that its numbers can be read again
            in another frame.
    """
    outcome, sample = _Outcome.of(events), opened.sample
    last, grounding = outcome.last, outcome.grounding
    failed = isinstance(last, Failed)
    drawn = last if isinstance(last, Done) else None
    box = None if grounding is None else grounding.box
    claims = None if box is None else place_agrees(outcome.think, box, opened.image.size)
    return Record(
        id=sample.id,
        question=sample.question,
        case=sample.case,
        modality=sample.modality,
        supercategory=sample.supercategory,
        category=sample.category,
        image_wh=opened.image.size,
        size=opened.size,
        truth=opened.truth,
        failure=outcome.failure,
        message=last.message if failed else None,
        well_formed=not failed or parse(outcome.text).answer is not None,
        found=None if failed else last.found,
        think=outcome.think,
        answer_text=outcome.text,
        input_wh=input_wh,
        box=box,
        points=None if grounding is None else grounding.points,
        place_agrees=claims,
        mask_rle=mask_to_rle(drawn.mask) if drawn and opened.mask is not None else None,
        mask_score=drawn and drawn.mask_score,
        **({} if failed else asdict(last.certainty)),
        confidence=None if failed else last.confidence,
        notes=drawn and drawn.notes,
        timings_s=None if failed else last.timings_s,
        tokens_per_s=None if failed else last.tokens_per_s,
        **answer_scores(opened, grounding, drawn and drawn.mask, points_given(outcome.text)).given(),
    )


def answer_scores(
    opened: OpenedSample, grounding: Grounding | None, mask: np.ndarray | None, with_points: bool = True
) -> Scores:
    """Of an answer, or of none; no score where the image holds no target.

    Args:
        with_points: the answer's form has a place for points; without, they are not scored, as in the
            published table.
    """
    if opened.truth is None:
        return Scores()
    found = {**box_scores(opened, grounding and grounding.box), **mask_scores(opened, mask)}
    if with_points:
        found |= point_scores(opened, grounding and grounding.points)
    return Scores(**found)


def box_scores(opened: OpenedSample, box: Box | None) -> dict[str, object]:
    truth = opened.truth.box
    return {
        "box_iou": box_iou(box, truth) if box else 0.0,
        "box_iou_published": paper_box_iou(box, truth) if box else 0.0,
        "fits_best": fits_best(box, truth, opened.sample.others),
    }


def point_scores(opened: OpenedSample, points: Sequence[Point] | None) -> dict[str, object]:
    truth, inside = opened.truth.points, None
    if opened.mask is not None:
        inside = points_in_mask(points, opened.mask) if points else 0.0
    return {
        "pdice_published": paper_pdice(points, truth) if points else 0.0,
        "point_dice": point_dice(points, truth) if points else 0.0,
        "points_in_mask": inside,
    }


def mask_scores(opened: OpenedSample, mask: np.ndarray | None) -> dict[str, object]:
    """Of a mask, or of none (which scores as an empty one); {} where there is no true mask."""
    if opened.mask is None:
        return {}
    drawn = np.zeros_like(opened.mask) if mask is None else mask
    diagonal = math.hypot(*opened.image.size)
    distance, surface = boundary(drawn, opened.mask, TOLERANCE * diagonal)
    return {
        "mask_dice": dice(drawn, opened.mask),
        "mask_dice_published": paper_dice(drawn, opened.mask),
        "mask_iou": mask_iou(drawn, opened.mask),
        "overlap": mask_overlap(drawn, opened.mask),
        "hd95": min(1.0, distance / diagonal),
        "nsd": surface,
    }


def fits_best(box: Box | None, asked: Box, others: Sequence[Box]) -> bool | None:
    """Whether `box` overlaps the asked target more than any other of the image; None where there is no
    other."""
    if not others:
        return None
    return box is not None and box_iou(box, asked) > max(box_iou(box, other) for other in others)

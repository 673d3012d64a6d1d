"""Every number that an evaluation reports, in ONE table: the summary, the command line, the report, the model
card and the Hub's metadata all read COLUMNS. A new column is a new line here.

A column is the mean over records of a function of one record; where the function gives None, the record does
not count.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from medreasoner.evaluation.record import Record
from medreasoner.metrics import AGREES, auroc, calibration_error

Value = Callable[[Record], float | bool | None]

# parts of a summary
OVERALL = "overall"  # over all samples with a target, and again in every group of them
ANSWERS = "answers"  # form and content of the answers
PRESENCE = "presence"  # whether the target was found where it is, and not where it is not
PUBLISHED = "as_published"  # by the published system's formulas, never in one table with the others

# where a column is shown
TERMINAL, REPORT, CARD, HUB = "terminal", "report", "card", "hub"
TABLES = (TERMINAL, REPORT)
WITH_CARD = (TERMINAL, REPORT, CARD)
EVERYWHERE = (TERMINAL, REPORT, CARD, HUB)


@dataclass(frozen=True)
class Column:
    """One number of an evaluation.

    Args:
        key: its name in summary.json, in the CSV and on the Hub. label: its head in tables.
        value: of one record; None where the record does not count.
        part: of the summary. shown: where.
        share_of: makes the column a ratio of sums, sum(value) / sum(share_of), instead of a mean.
        statistic, truth: make the column `statistic` of the values and of `truth` (0 or 1) of each record,
            instead of a mean.
        lower_is_better: of two values the lower one is better.
    """

    key: str
    label: str
    value: Value
    part: str = OVERALL
    shown: tuple[str, ...] = TABLES
    share_of: Value | None = None
    lower_is_better: bool = False
    statistic: Callable[[np.ndarray, np.ndarray], float | None] | None = None
    truth: Value | None = None


def score(name: str) -> Value:
    """A field of the record, None where the image holds no target."""
    return lambda record: None if record.truth is None else getattr(record, name)


def box_right(record: Record) -> bool | None:
    """Whether the box overlaps the true one by half or more."""
    return None if record.box_iou is None else record.box_iou >= AGREES


def intersection(record: Record) -> int | None:
    return record.overlap and record.overlap[0]


def union(record: Record) -> int | None:
    return record.overlap and record.overlap[1]


def target_found(record: Record) -> bool | None:
    """Of samples with a target: a box was given."""
    return None if record.truth is None else record.box is not None


def absence_told(record: Record) -> bool | None:
    """Of samples without a target: the answer says so. An answer that cannot be read does not."""
    return record.found is False if record.truth is None else None


def answerable_refused(record: Record) -> bool | None:
    """Of samples with a target: the answer says that it is not there."""
    return None if record.truth is None else record.found is False


def confidence_in_box(record: Record) -> float | None:
    """Of answers that give a place."""
    return record.confidence if record.found else None


def confidence_in_absence(record: Record) -> float | None:
    """Of answers that say that nothing is there."""
    return record.confidence if record.found is False else None


def answer_right(record: Record) -> bool | None:
    return record.right


# gIoU is the mean of the masks' IoUs; cIoU is a sum of intersections over a sum of unions, so large targets
# rule it
COLUMNS = (
    Column("box_iou", "Box IoU", score("box_iou"), shown=EVERYWHERE),
    Column("acc_50", "Acc@0.5", box_right, shown=EVERYWHERE),
    Column("pdice_published", "pDice as published", score("pdice_published"), shown=(TERMINAL,)),
    Column("point_dice", "Point Dice", score("point_dice")),
    Column("points_in_mask", "Points in mask", score("points_in_mask")),
    Column("mask_dice", "Mask Dice", score("mask_dice"), shown=EVERYWHERE),
    Column("mask_giou", "Mask gIoU", score("mask_iou")),
    Column("mask_ciou", "Mask cIoU", intersection, share_of=union),
    Column("nsd", "NSD", score("nsd")),
    Column("hd95", "HD95", score("hd95"), lower_is_better=True),
    Column("well_formed", "Well-formed", score("well_formed"), ANSWERS, WITH_CARD),
    Column("fits_best", "Fits the asked target best", score("fits_best"), ANSWERS, WITH_CARD),
    Column("place_agrees", "Place named is the box's", score("place_agrees"), ANSWERS, WITH_CARD),
    Column(
        "refused", "Answerable, called absent", answerable_refused, ANSWERS, WITH_CARD, lower_is_better=True
    ),
    Column(
        "confidence_auroc",
        "Confidence in a box, AUROC",
        confidence_in_box,
        ANSWERS,
        WITH_CARD,
        statistic=auroc,
        truth=answer_right,
    ),
    Column(
        "confidence_error",
        "Confidence in a box, calibration error",
        confidence_in_box,
        ANSWERS,
        WITH_CARD,
        lower_is_better=True,
        statistic=calibration_error,
        truth=answer_right,
    ),
    Column(
        "absence_confidence_auroc",
        "Confidence in an absence, AUROC",
        confidence_in_absence,
        ANSWERS,
        TABLES,
        statistic=auroc,
        truth=answer_right,
    ),
    Column(
        "absence_confidence_error",
        "Confidence in an absence, calibration error",
        confidence_in_absence,
        ANSWERS,
        TABLES,
        lower_is_better=True,
        statistic=calibration_error,
        truth=answer_right,
    ),
    Column("sensitivity", "Sensitivity", target_found, PRESENCE, EVERYWHERE),
    Column("specificity", "Specificity", absence_told, PRESENCE, EVERYWHERE),
    Column("iou", "IoU", score("box_iou_published"), PUBLISHED, (REPORT,)),
    Column("pdice", "pDice", score("pdice_published"), PUBLISHED, (REPORT,)),
    Column("dice", "Dice", score("mask_dice_published"), PUBLISHED, (REPORT,)),
)
BY_KEY = {column.key: column for column in COLUMNS}

# Rows below the model's own: what a number is worth
CONTROLS = {
    "oracle": "True box and points, same segmenter",
    "oracle_box": "True box alone, same segmenter",
    "prior": "Training mean of the category",
    "centre_box": "Centre box",
    "whole_image": "Whole image",
    "random_box": "Random box",
    "direct": "Without reasoning",
    "reasoning": "With reasoning",
    "question_shuffled": "Questions shuffled",
    "image_swapped": "Image of another case",
    "image_blanked": "Grey image",
}


def columns(
    part: str | None = None, shown: str | None = None, keys: Iterable[str] = ()
) -> tuple[Column, ...]:
    """Those of a `part`, `shown` at a place, or of these `keys`; in their order."""
    wanted = set(keys)
    return tuple(
        column
        for column in COLUMNS
        if (part is None or column.part == part)
        and (shown is None or shown in column.shown)
        and (not wanted or column.key in wanted)
    )

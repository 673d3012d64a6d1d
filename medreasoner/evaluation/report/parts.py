"""What a part of a report is made of, and how its numbers are written: the same for the page and for Markdown.

Is: titles, words, tables, figures and cases as values; names of measures and controls. Is not: the choice of what a report says
(`sections.py`), nor a layout (the templates).
"""

from dataclasses import dataclass, field

from medreasoner.evaluation.report.cases import Shown

MEASURES = {
    "box_iou": "Box IoU",
    "acc_50": "Acc@0.5",
    "point_dice": "Point Dice",
    "points_in_mask": "Points in mask",
    "mask_dice": "Mask Dice",
    "mask_giou": "gIoU",
    "mask_ciou": "cIoU",
    "nsd": "NSD",
    "hd95": "HD95",
}
CONTROLS = {
    "prior": "Training mean of the category",
    "centre_box": "Centre box",
    "whole_image": "Whole image",
    "random_box": "Random box",
    "question_shuffled": "Questions shuffled",
    "image_swapped": "Image of another case",
    "image_blanked": "Grey image",
    "direct": "Without reasoning",
    "reasoning": "With reasoning",
    "oracle": "True box and points",
    "oracle_box": "True box alone",
}
NOWHERE = "–"


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column is a name. `marks` are the rows that stand out (this report's own among others')."""

    header: list[str]
    rows: list[list[str]]
    marks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Part:
    """One part of the report; what it does not have is empty."""

    title: str
    words: list[str] = field(default_factory=list)
    table: Table | None = None
    svg: str = ""
    cases: list[Shown] = field(default_factory=list)


def cell(interval: dict | None, signed: bool = False) -> str:
    """A mean with its interval, a dash where there is none."""
    if not interval:
        return NOWHERE
    sign = "+" if signed else ""
    return (
        f"{interval['mean']:{sign}.3f} [{interval['low']:{sign}.3f}, {interval['high']:{sign}.3f}]".replace(
            "-", "−"
        )
    )


def percent(interval: dict | None) -> str:
    """The same times 100, as the published table has it."""
    return (
        NOWHERE
        if not interval
        else "{:.2f} [{:.2f}, {:.2f}]".format(*(100 * interval[key] for key in ("mean", "low", "high")))
    )


def lower(text: str) -> str:
    """With a small first letter, for use inside a sentence."""
    return text[0].lower() + text[1:]


def number(value: float | None) -> str:
    """Three digits, a dash where there is none."""
    return NOWHERE if value is None else f"{value:.3g}"


def plain(value: object) -> str:
    """A fact of a run in words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOWHERE if value in (None, "") else str(value)

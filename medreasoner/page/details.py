"""The machine's figures of an answer, as rows: confidence, box, points, mask, what made them."""

from collections.abc import Sequence

import numpy as np

from medreasoner.events import Absent, Done
from medreasoner.geometry import Box, Grounding, Point, mask_to_box
from medreasoner.imaging import LoadedImage
from medreasoner.metrics import box_iou, dice, mask_iou
from medreasoner.page.answers import AnsweredQuestion
from medreasoner.page.measure import axes, grey_values
from medreasoner.segmenters.base import Click

Spacing = tuple[float, float] | None  # mm per pixel (x, y)


def detail_rows(answer: AnsweredQuestion, loaded: LoadedImage, truth: np.ndarray | None = None) -> list[dict]:
    """All rows of an answer, {name, text, aside, places}.

    Args:
        truth: (H, W) bool, what an example came with.
    """
    result = answer.result
    made = [row("Model", result.model), row("Segmenter", result.segmenter)]
    if isinstance(result, Absent):
        return [confidence_row(result), made[0]]
    rows = [
        confidence_row(result),
        *answer_rows(result.grounding, loaded.spacing_mm, result.mask),
    ]
    if answer.corrected:
        rows.insert(0, correction_row(answer.clicks))
    rows += measured_rows(result, loaded)
    if truth is not None:
        rows.append(truth_row(truth, result.grounding, result.mask))
    return rows + made


def confidence_row(result: Done | Absent) -> dict:
    """The calibrated chance, or that it is not known."""
    meant = "box overlaps the target by half" if result.found else "target is really not there"
    if result.confidence is None:
        return row("Confidence", "not known", "this model has no calibrated confidence")
    return row("Confidence", f"{result.confidence:.0%}", f"calibrated chance that the {meant}")


def answer_rows(
    grounding: Grounding, spacing_mm: Spacing = None, mask: np.ndarray | None = None
) -> list[dict]:
    """What was found: coordinates in pixels; sizes in mm too where the spacing is known."""
    rows = [_box_row(grounding, spacing_mm), _points_row(grounding)]
    if mask is not None:
        area = int(mask.sum())
        text = f"{area:,} px"
        if spacing_mm is not None:
            text += f", {area * spacing_mm[0] * spacing_mm[1]:,.1f} mm²"
        rows.append(row("Mask", text, f"{area / mask.size:.1%} of the image"))
    return rows


def measured_rows(done: Done, loaded: LoadedImage) -> list[dict]:
    """The mask's axes and the grey values inside it."""
    rows, unit = [], "px" if loaded.spacing_mm is None else "mm"
    found = axes(done.mask, loaded.spacing_mm)
    if found is not None:
        text = f"{found.long:.1f} × {found.short:.1f} {unit}"
        rows.append(row("Axes", text, "long and short, as RECIST counts them; A draws them"))
    values = grey_values(loaded, done.mask)
    if values is not None:
        named = f" {values.unit}" if values.unit else ""
        meant = (
            "inside the mask" if values.unit or loaded.values is not None else "inside the mask, of 0 to 255"
        )
        rows.append(row("Grey values", f"{values.mean:.0f} ± {values.spread:.0f}{named}", meant))
    return rows


def _box_row(grounding: Grounding, spacing_mm: Spacing) -> dict:
    x1, y1, x2, y2 = (round(v) for v in grounding.box)
    size = f"{x2 - x1} × {y2 - y1} px"
    if spacing_mm is not None:
        size += f", {(x2 - x1) * spacing_mm[0]:.1f} × {(y2 - y1) * spacing_mm[1]:.1f} mm"
    text = f"x {x1} – {x2}, y {y1} – {y2}"
    return row("Box", text, size, [place(0, len(text), grounding.box)])


def _points_row(grounding: Grounding) -> dict:
    first, second = (
        f"{number} at {round(x)}, {round(y)}" for number, (x, y) in enumerate(grounding.points, start=1)
    )
    text = f"{first}; {second}"
    first_box, second_box = (around(point, grounding.box) for point in grounding.points)
    places = [place(0, len(first), first_box), place(len(first) + 2, len(text), second_box)]
    return row("Points", text, "", places)


def correction_row(clicks: Sequence[Click]) -> dict:
    """Says that box and points were corrected by hand, and with how many clicks."""
    included = sum(positive for _, _, positive in clicks)
    numbers = ((included, "included"), (len(clicks) - included, "excluded"))
    counts = [f"{count} {name}" for count, name in numbers if count]
    text = ", ".join(["by hand", *counts])
    return row("Corrected", text, "the reasoning is about the model's own answer")


def truth_row(truth: np.ndarray, grounding: Grounding, mask: np.ndarray) -> dict:
    """Compares with the mask the example came with; shown on request only."""
    text = f"Dice {dice(mask, truth):.2f}, IoU {mask_iou(mask, truth):.2f}"
    boxes = "the true mask is empty"
    if truth.any():
        boxes = f"box IoU {box_iou(grounding.box, mask_to_box(truth)):.2f}"
    return row("Expert outline", text, boxes) | {"truth": True}


def row(name: str, text: str, aside: str = "", places: Sequence[dict] = ()) -> dict:
    """One row; `places` are parts of its text."""
    return {"name": name, "text": text, "aside": aside, "places": list(places)}


def place(start: int, end: int, box: Sequence[float]) -> dict:
    """Characters `start` to `end` of a text mean `box`, in pixels."""
    return {"start": start, "end": end, "box": list(box)}


def around(point: Point, box: Box) -> Box:
    """A square about a point, small beside the box it belongs to."""
    half = max(box[2] - box[0], box[3] - box[1]) / 6
    return point[0] - half, point[1] - half, point[0] + half, point[1] + half

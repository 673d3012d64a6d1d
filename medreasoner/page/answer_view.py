"""What the status line and the answer show in each state of a run, as plain values. The scripts in `static/`
put them on the page."""

import re
from collections.abc import Sequence

import numpy as np

from medreasoner.events import Done, Failed
from medreasoner.geometry import Box, Grounding, Point, mask_to_box
from medreasoner.metrics import box_iou, dice, mask_iou
from medreasoner.segmenters.base import Click
from medreasoner.text.mentions import find_mentions
from medreasoner.text.places import HEIGHTS, SIDES, place_phrase

Spacing = tuple[float, float] | None  # mm per pixel (x, y)
_PHRASES = {
    (side, height): re.compile(rf"\b{place_phrase(side, height)}\b") for side in SIDES for height in HEIGHTS
}


def status(phase: str, text: str = "", warning: bool = False) -> dict:
    """One line on what is happening.

    Args:
        phase: empty, ready, opening, reading, thinking, outlining, sampling, stopped, done, malformed or
            error; `waiting` is set in the browser alone.
        warning: something was refused; what the page shows is as it was.
    """
    return {"phase": phase, "text": text, "warning": warning}


def answer(
    think: str = "",
    rows: list[dict] | None = None,
    notes: tuple[str, ...] = (),
    times: str = "",
    *,
    places: Sequence[dict] = (),
    problem: str = "",
    completion: str = "",
) -> dict:
    """The value of the answer component.

    Args:
        think: the reasoning so far. places: the parts of it that mean a place, see `places`.
        rows: what was found, see `answer_rows`. notes: repairs that were needed. times: see `timings`.
        problem: what is wrong with an answer that cannot be used. completion: what the model wrote instead.
    """
    texts = {"think": think, "places": list(places), "problem": problem, "completion": completion}
    return texts | {"rows": rows or [], "notes": list(notes), "times": times}


def failure(event: Failed, think: str, rows: list[dict]) -> tuple[dict, dict]:
    """(status, answer) of a run that ended without a mask. Where the model's answer is at fault, what it
    wrote is shown."""
    if event.reason == "stopped":
        return status("stopped", "Stopped"), answer(think)
    if event.reason in ("question", "model", "segmenter"):
        return status("error", event.message), answer(think, rows)
    completion = event.text.partition(event.think)[2] if event.think else event.text
    return status("malformed", "The answer could not be used"), answer(
        think, problem=event.message, completion=completion
    )


def answer_rows(
    grounding: Grounding,
    spacing_mm: Spacing = None,
    mask: np.ndarray | None = None,
) -> list[dict]:
    """What was found, as rows of {name, text, aside, places}: coordinates in pixels; sizes in mm too where
    the spacing is known."""
    rows = [_box_row(grounding, spacing_mm), _points_row(grounding)]
    if mask is not None:
        area = int(mask.sum())
        text = f"{area:,} px"
        if spacing_mm is not None:
            text += f", {area * spacing_mm[0] * spacing_mm[1]:,.1f} mm²"
        rows.append(_row("Mask", text, f"{area / mask.size:.1%} of the image"))
    return rows


def _box_row(grounding: Grounding, spacing_mm: Spacing) -> dict:
    x1, y1, x2, y2 = (round(v) for v in grounding.box)
    size = f"{x2 - x1} × {y2 - y1} px"
    if spacing_mm is not None:
        size += f", {(x2 - x1) * spacing_mm[0]:.1f} × {(y2 - y1) * spacing_mm[1]:.1f} mm"
    text = f"x {x1} – {x2}, y {y1} – {y2}"
    return _row("Box", text, size, [_place(0, len(text), grounding.box)])


def _points_row(grounding: Grounding) -> dict:
    first, second = (
        f"{number} at {round(x)}, {round(y)}" for number, (x, y) in enumerate(grounding.points, start=1)
    )
    text = f"{first}; {second}"
    around = [_around(point, grounding.box) for point in grounding.points]
    places = [_place(0, len(first), around[0]), _place(len(first) + 2, len(text), around[1])]
    return _row("Points", text, "", places)


def correction_row(clicks: Sequence[Click]) -> dict:
    """Says that box and points were corrected by hand, and with how many clicks."""
    included = sum(positive for _, _, positive in clicks)
    numbers = ((included, "included"), (len(clicks) - included, "excluded"))
    counts = [f"{count} {name}" for count, name in numbers if count]
    text = ", ".join(["by hand", *counts])
    return _row("Corrected", text, "the reasoning is about the model's own answer")


def truth_row(truth: np.ndarray, grounding: Grounding, mask: np.ndarray) -> dict:
    """Compares with the mask the example came with; shown on request only."""
    text = f"Dice {dice(mask, truth):.2f}, IoU {mask_iou(mask, truth):.2f}"
    boxes = "the true mask is empty"
    if truth.any():
        boxes = f"box IoU {box_iou(grounding.box, mask_to_box(truth)):.2f}"
    return _row("Truth", text, boxes) | {"truth": True}


def places(done: Done) -> list[dict]:
    """The place words and coordinates in the reasoning of `done`: {start, end} in characters, and the part of
    the image that each means, `box`, in pixels."""
    width, height = done.image_wh
    found = []
    for column, side in enumerate(SIDES):
        for row, level in enumerate(HEIGHTS):
            box = [column * width / 3, row * height / 3, (column + 1) * width / 3, (row + 1) * height / 3]
            for match in _PHRASES[side, level].finditer(done.think):
                found.append(_place(match.start(), match.end(), box))
    for mention in find_mentions(done.think, done.frame, done.image_wh, done.input_wh) if done.frame else ():
        box = mention.box or _around(mention.point, done.grounding.box)
        found.append(_place(mention.start, mention.end, box))
    return sorted(found, key=lambda place: place["start"])


def timings(done: Done) -> str:
    """Seconds to the first word, the box, the mask and the end, and the speed where it was measured."""
    times = done.timings_s
    parts = [
        f"First word {times['first_token']:.2f} s",
        f"box {times['located']:.2f} s",
        f"mask {times['mask_after_last_token']:.2f} s later",
        f"total {times['total']:.2f} s",
    ]
    if done.tokens_per_s is not None:
        parts.append(f"{done.tokens_per_s:.0f} tokens/s")
    return ", ".join(parts) + "."


def _row(name: str, text: str, aside: str = "", places: Sequence[dict] = ()) -> dict:
    return {"name": name, "text": text, "aside": aside, "places": list(places)}


def _place(start: int, end: int, box: Sequence[float]) -> dict:
    return {"start": start, "end": end, "box": list(box)}


def _around(point: Point, box: Box) -> Box:
    """A square about a point, small beside the box it belongs to."""
    half = max(box[2] - box[0], box[3] - box[1]) / 6
    return point[0] - half, point[1] - half, point[0] + half, point[1] + half

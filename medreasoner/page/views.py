"""What each state of a run looks like, as values for the components: strings, numbers and data URLs, nothing of Gradio.

Is: Loaded image and Event -> what the viewer, the layers, the status line and the reading column show.
Is not: parsing or judging an answer (`answer.py`, `geometry.py`), nor HTML; the `.js` files beside this one put the values on the page.
"""

import re
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from PIL import Image

from medreasoner.events import Done, Failed
from medreasoner.geometry import Box, Grounding, Point, mask_to_box
from medreasoner.imaging import LoadedImage, load_image
from medreasoner.metrics import AGREES, agreement, box_iou, dice, mask_iou
from medreasoner.output.contours import svg_path
from medreasoner.output.data_url import image_data_url
from medreasoner.page.examples import Example
from medreasoner.sampling import TEMPERATURE
from medreasoner.segmenters.base import Click
from medreasoner.text.mentions import find_mentions
from medreasoner.text.places import HEIGHTS, SIDES, place_phrase, place_words, size_word

SHOWN = 2048  # longest side sent to a browser, pixels; coordinates stay those of the original image
THUMBNAIL = 200
Spacing = tuple[float, float] | None  # mm per pixel (x, y)


def shown_url(image: Image.Image, longest: int = SHOWN) -> str:
    """`image` RGB as a data URL, at most `longest` pixels on a side: PNG if it is grey, else JPEG without visible loss."""
    red, green, blue = (np.asarray(band) for band in image.split())
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return image_data_url(image.getchannel(0), longest=longest, compress_level=3)
    return image_data_url(image, "JPEG", longest, quality=95, subsampling=0)


def picture(loaded: LoadedImage, credit: str = "", truth: np.ndarray | None = None) -> dict:
    """The viewer's value for an image that has just been opened: shown once, with its size, its source, what was done to it, what else of
    its file could be shown, and the outline of the mask it came with, if it did."""
    width, height = loaded.image.size
    facts = [f"{width} × {height} px"]
    if loaded.spacing_mm is not None:
        facts.append(f"{loaded.spacing_mm[0]:.3g} × {loaded.spacing_mm[1]:.3g} mm a pixel")
    caption = [" · ".join(facts), credit, *loaded.notes]
    return {
        "src": shown_url(loaded.image),
        "width": width,
        "height": height,
        "caption": [line for line in caption if line],
        "letters": loaded.orientation,
        "view": asdict(loaded.view),
        "choices": asdict(loaded.options),
        "truth": None if truth is None else svg_path(truth),
    }


def thumbnail(example: Example) -> dict:
    """An example as the strip shows it."""
    small = shown_url(load_image(example.image).image, THUMBNAIL)
    return {"thumbnail": small, "modality": example.modality, "question": example.question}


def layers(
    grounding: Grounding,
    image_wh: tuple[int, int],
    mask: np.ndarray | None = None,
    clicks: Sequence[Click] = (),
) -> dict:
    """The layers' value: box, points, clicks and, once it is there, the mask's outline, all in pixels of the original image; and the same
    in words, for those who cannot see it."""
    return {
        "box": list(grounding.box),
        "points": [list(point) for point in grounding.points],
        "clicks": [list(click) for click in clicks],
        "mask": None if mask is None else svg_path(mask),
        "spoken": spoken(grounding, image_wh, mask),
    }


def spoken(grounding: Grounding, image_wh: tuple[int, int], mask: np.ndarray | None = None) -> str:
    """Where the answer is, as the image's alternative text says it."""
    x1, y1, x2, y2 = (round(v) for v in grounding.box)
    phrase = place_phrase(*place_words(grounding.box, image_wh))
    text = f"The answer is {phrase} of the image, {size_word(grounding.box, image_wh)}: a box from {x1}, {y1} to {x2}, {y2}"
    return f"{text}." if mask is None else f"{text}, and a mask that covers {mask.mean():.1%} of the image."


def places(done: Done) -> list[dict]:
    """The place words and coordinates in the reasoning of `done`, as {start, end, box} in characters, each with the part of the image that
    it means, in pixels."""
    width, height = done.image_wh
    found = []
    for column, side in enumerate(SIDES):
        for row, level in enumerate(HEIGHTS):
            box = [column * width / 3, row * height / 3, (column + 1) * width / 3, (row + 1) * height / 3]
            for match in re.finditer(rf"\b{place_phrase(side, level)}\b", done.think):
                found.append(_part(match.start(), match.end(), box))
    for said in find_mentions(done.think, done.frame, done.image_wh, done.input_wh) if done.frame else ():
        found.append(_part(said.start, said.end, said.box or _around(said.point, done.grounding.box)))
    return sorted(found, key=lambda place: place["start"])


def answer(
    grounding: Grounding,
    spacing_mm: Spacing = None,
    mask: np.ndarray | None = None,
    score: float | None = None,
    probability: float | None = None,
) -> list[dict]:
    """The answer line as rows of {name, text, aside, places}: coordinates in pixels; sizes in mm too where the spacing is known. `places`
    are those of `places`: which part of the text means which part of the image."""
    x1, y1, x2, y2 = (round(v) for v in grounding.box)
    size = f"{x2 - x1} × {y2 - y1} px"
    if spacing_mm is not None:
        size += f", {(x2 - x1) * spacing_mm[0]:.1f} × {(y2 - y1) * spacing_mm[1]:.1f} mm"
    where = f"x {x1} – {x2}, y {y1} – {y2}"
    first, second = (
        f"{number} at {round(x)}, {round(y)}" for number, (x, y) in enumerate(grounding.points, start=1)
    )
    points = f"{first}; {second}"
    around = [_around(point, grounding.box) for point in grounding.points]
    rows = [
        _row("Box", where, size, [_part(0, len(where), grounding.box)]),
        _row(
            "Points",
            points,
            "",
            [_part(0, len(first), around[0]), _part(len(first) + 2, len(points), around[1])],
        ),
    ]
    if mask is not None:
        area = int(mask.sum())
        text = (
            f"{area:,} px"
            if spacing_mm is None
            else f"{area:,} px, {area * spacing_mm[0] * spacing_mm[1]:,.1f} mm²"
        )
        rows.append(_row("Mask", text, f"{area / mask.size:.1%} of the image"))
    if score is not None:
        rows.append(_row("Overlap", f"{score:.2f}", "the segmenter's own estimate of its IoU"))
    if probability is not None:
        rows.append(_row("Coordinates", f"probability {probability:.2g}", "geometric mean, uncalibrated"))
    return rows


def sureness(boxes: Sequence[Box | None], own: Box, of: int, seconds: float) -> dict:
    """What the samples that have come, `of` of them in the end, say of the model's own answer: boxes, rows, and how they were made."""
    agreed = agreement(boxes, own)
    unread = sum(box is None for box in boxes)
    aside = f"with the model's answer, box IoU at least {AGREES}" + (
        f"; {unread} could not be read" if unread else ""
    )
    rows = [_row("Agreement", f"{agreed.agreeing} of {agreed.number} samples", aside)]
    if agreed.pairwise_iou is not None:
        rows.append(
            _row("Pairs", f"{agreed.pairwise_iou:.2f}", "mean box IoU of the samples among themselves")
        )
    told = f"Asked {of} times more, drawn at temperature {TEMPERATURE:g}"
    told += f", in {seconds:.1f} s" if agreed.number == of else f"; {agreed.number} came"
    note = f"{told}. Their boxes are the thin lines on the image. Agreement is consistency: all of them can be wrong."
    return {
        "offered": True,
        "boxes": [list(box) for box in boxes if box is not None],
        "rows": rows,
        "note": note,
    }


def correction(clicks: Sequence[Click]) -> dict:
    """The row that says whose box and points these are."""
    included = sum(positive for _, _, positive in clicks)
    counts = [
        f"{count} {name}"
        for count, name in ((included, "included"), (len(clicks) - included, "excluded"))
        if count
    ]
    return _row("Corrected", ", ".join(["by hand", *counts]), "the reasoning is about the model's own answer")


def against(truth: np.ndarray, grounding: Grounding, mask: np.ndarray) -> dict:
    """The row that compares with the mask the example came with; shown on request only."""
    text = f"Dice {dice(mask, truth):.2f}, IoU {mask_iou(mask, truth):.2f}"
    boxes = (
        f"box IoU {box_iou(grounding.box, mask_to_box(truth)):.2f}"
        if truth.any()
        else "the true mask is empty"
    )
    return _row("Truth", text, boxes) | {"truth": True}


def _row(name: str, text: str, aside: str = "", where: Sequence[dict] = ()) -> dict:
    return {"name": name, "text": text, "aside": aside, "places": list(where)}


def _part(start: int, end: int, box: Sequence[float]) -> dict:
    return {"start": start, "end": end, "box": list(box)}


def _around(point: Point, box: Box) -> Box:
    """A square about a point, small beside the box it belongs to."""
    half = max(box[2] - box[0], box[3] - box[1]) / 6
    return point[0] - half, point[1] - half, point[0] + half, point[1] + half


def timings(done: Done) -> str:
    """First token, box, mask and total, in seconds, and the speed, where it was measured."""
    times = done.timings_s
    parts = [
        f"first word {times['first_token']:.2f} s",
        f"box {times['located']:.2f} s",
        f"mask {times['mask_after_last_token']:.2f} s later",
        f"total {times['total']:.2f} s",
    ]
    if done.tokens_per_s is not None:
        parts.append(f"{done.tokens_per_s:.0f} tokens/s")
    text = ", ".join(parts)
    return text[0].upper() + text[1:] + "."


def reading(
    think: str = "",
    rows: list[dict] | None = None,
    notes: tuple[str, ...] = (),
    times: str = "",
    *,
    places: Sequence[dict] = (),
    problem: str = "",
    written: str = "",
) -> dict:
    """The reading column's value. `places` are the place words in `think`; `problem` says what is wrong with an answer, `written` is what
    the model wrote instead."""
    said = {"think": think, "places": list(places), "problem": problem, "written": written}
    return said | {"rows": rows or [], "notes": list(notes), "times": times}


def status(phase: str, text: str = "") -> dict:
    """One line on what is happening. `phase`: empty, ready, reading, thinking, outlining, sampling, stopped, done, malformed or error."""
    return {"phase": phase, "text": text}


def failure(event: Failed, think: str, rows: list[dict]) -> tuple[dict, dict]:
    """(status, reading) of a run without a mask. Unless the run itself broke off, the answer is at fault: what was written is shown."""
    if event.reason == "stopped":
        return status("stopped", "Stopped"), reading(think)
    if event.reason in ("question", "model", "segmenter"):
        return status("error", event.message), reading(think, rows)
    written = event.text.partition(event.think)[2] if event.think else event.text
    return status("malformed", "The answer could not be used"), reading(
        think, problem=event.message, written=written
    )

"""What each state of a run looks like, as values for the components: strings, numbers and data URLs, nothing of Gradio.

Is: Loaded image and Event -> what the viewer, the layers, the status line and the reading column show.
Is not: parsing or judging an answer (`answer.py`, `geometry.py`), nor HTML; the `.js` files beside this one put the values on the page.
"""

import base64
import io

import numpy as np
from PIL import Image

from medreasoner.events import Done, Failed
from medreasoner.geometry import Grounding
from medreasoner.images import Loaded, load_image
from page.examples import Example
from page.outline import outline

SHOWN = 2048  # longest side sent to a browser, pixels; coordinates stay those of the original image
THUMBNAIL = 200
Spacing = tuple[float, float] | None  # mm per pixel (x, y)


def data_url(image: Image.Image, longest: int = SHOWN) -> str:
    """`image` RGB as a data URL, never larger than `longest`: PNG if it is grey, else JPEG at a quality that shows no loss."""
    shown = image.copy()
    shown.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    red, green, blue = (np.asarray(band) for band in shown.split())
    out = io.BytesIO()
    if np.array_equal(red, green) and np.array_equal(green, blue):
        shown.getchannel(0).save(out, "PNG", compress_level=3)
        kind = "png"
    else:
        shown.save(out, "JPEG", quality=95, subsampling=0)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"


def picture(loaded: Loaded, credit: str = "") -> dict:
    """The viewer's value for an image that has just been opened: shown once, with its size, its source and what was done to it."""
    width, height = loaded.image.size
    facts = [f"{width} × {height} px"]
    if loaded.spacing_mm is not None:
        facts.append(f"{loaded.spacing_mm[0]:.3g} × {loaded.spacing_mm[1]:.3g} mm a pixel")
    caption = [" · ".join(facts), credit, *loaded.notes]
    return {"src": data_url(loaded.image), "width": width, "height": height, "caption": [line for line in caption if line]}


def thumbnail(example: Example) -> dict:
    """An example as the strip shows it."""
    small = data_url(load_image(example.image).image, THUMBNAIL)
    return {"thumbnail": small, "modality": example.modality, "question": example.question}


def layers(grounding: Grounding, mask: np.ndarray | None = None) -> dict:
    """The layers' value: box, points and, once it is there, the mask's outline; all in pixels of the original image."""
    drawn = None if mask is None else outline(mask)
    return {"box": list(grounding.box), "points": [list(point) for point in grounding.points], "mask": drawn}


def answer(grounding: Grounding, spacing_mm: Spacing = None, mask: np.ndarray | None = None, score: float | None = None) -> list[dict]:
    """The answer line as rows of {name, text, aside}: coordinates in pixels; sizes in mm too where the spacing is known."""
    x1, y1, x2, y2 = (round(v) for v in grounding.box)
    size = f"{x2 - x1} × {y2 - y1} px"
    if spacing_mm is not None:
        size += f", {(x2 - x1) * spacing_mm[0]:.1f} × {(y2 - y1) * spacing_mm[1]:.1f} mm"
    first, second = (f"{round(x)}, {round(y)}" for x, y in grounding.points)
    rows = [
        {"name": "Box", "text": f"x {x1} – {x2}, y {y1} – {y2}", "aside": size},
        {"name": "Points", "text": f"1 at {first}; 2 at {second}", "aside": ""},
    ]
    if mask is not None:
        area = int(mask.sum())
        text = f"{area:,} px" if spacing_mm is None else f"{area:,} px, {area * spacing_mm[0] * spacing_mm[1]:,.1f} mm²"
        rows.append({"name": "Mask", "text": text, "aside": f"{area / mask.size:.1%} of the image"})
    if score is not None:
        rows.append({"name": "Overlap", "text": f"{score:.2f}", "aside": "the segmenter's own estimate of its IoU"})
    return rows


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
    problem: str = "",
    written: str = "",
) -> dict:
    """The reading column's value. `problem` says what is wrong with an answer, `written` is what the model wrote instead."""
    return {"think": think, "rows": rows or [], "notes": list(notes), "times": times, "problem": problem, "written": written}


def status(phase: str, text: str = "") -> dict:
    """One line on what is happening. `phase`: empty, ready, reading, thinking, outlining, stopped, done, malformed or error."""
    return {"phase": phase, "text": text}


def failure(event: Failed, think: str, rows: list[dict]) -> tuple[dict, dict]:
    """(status, reading) of a run without a mask. Unless the run itself broke off, the answer is at fault: what was written is shown."""
    if event.reason == "stopped":
        return status("stopped", "Stopped"), reading(think)
    if event.reason in ("question", "model", "segmenter"):
        return status("error", event.message), reading(think, rows)
    written = event.text.partition(event.think)[2] if event.think else event.text
    return status("malformed", "The answer could not be used"), reading(think, problem=event.message, written=written)

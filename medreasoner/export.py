"""A finished run as files.

Is: `grounding.json`, `mask.png` and `overlay.png`, the same from the command line and from the page.
Is not: drawing (`draw.py`).
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.draw import overlay
from medreasoner.events import Done

JSON, MASK, OVERLAY = "grounding.json", "mask.png", "overlay.png"


def as_json(done: Done) -> dict:
    """The run as plain JSON values. Coordinates are pixels of the original image: `box_xyxy` half-open, `points_xy` two [x, y],
    `image_wh` [width, height]; `mask` is the name of the mask's file beside it; `timings_s` are seconds."""
    return {
        "think": done.think,
        "box_xyxy": list(done.grounding.box),
        "points_xy": [list(point) for point in done.grounding.points],
        "image_wh": list(done.image_wh),
        "mask": MASK,
        "mask_score": done.mask_score,
        "model": done.model,
        "segmenter": done.segmenter,
        "timings_s": done.timings_s,
        "answer_text": done.answer_text,
        "notice": done.notice,
    }


def dumps(done: Done) -> str:
    """`as_json` as text in plain ASCII, so that it is the same on every terminal, ending in a newline."""
    return json.dumps(as_json(done), allow_nan=False, indent=1) + "\n"


def save(done: Done, image: Image.Image, folder: Path) -> tuple[Path, Path, Path]:
    """Write the three files into `folder`, which is made where it is missing; returns their paths: JSON, mask, overlay.

    The mask is 0/255 grey in the original image's size. `image` is the RGB picture that was asked about.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(dumps(done), encoding="utf-8")
    Image.fromarray(done.mask.astype(np.uint8) * 255).save(folder / MASK)
    overlay(image, done.grounding, done.mask).save(folder / OVERLAY)
    return folder / JSON, folder / MASK, folder / OVERLAY

"""Rows of U-MRG-14K and 6k, as published (arXiv 2508.08177) or on their way there.

Is: three shapes of one row. Parquet for verl: `prompt[0].content` the question, `images[0]`, `masks[0]`, `extra_info` (`id`, `category`,
`supercategory`), `reward_model.ground_truth` a JSON string with `bbox_2d` and `point_2d`. The raw umrg_rl.json: a list of objects with
`id`, `image`, `bbox`, `point`, masks in masks/ID beside it. And the columns of the first with ours (`modality`, `case`, `think`, `box`,
`points`, …), which win, theirs being in pixels of the image already. A row with none of the published columns is read by `ours.py`.
Is not: a judge of the published boxes and points; they are kept as they are, only brought into pixels of the row's own image.

What the rows leave open is read from the id, `<case>_<modality>_<site>_<target>_<number>.png`, and the image's name, which is its
beginning up to the site. The facts do not name the raw file's key of the question; `question`, `problem` and `prompt` are taken.
"""

import posixpath
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from medreasoner.data import ours, rows
from medreasoner.data.rows import Place, Row, RowError
from medreasoner.data.sample import Sample
from medreasoner.geometry import Box, mask_to_box

SIDE = 840  # pixels; the frame of the published boxes and points
MODALITIES = (
    "X-Ray",
    "CT",
    "MRI",
    "Ultrasound",
    "Endoscopy",
    "Fundus",
    "Pathology",
    "Dermoscopy",
    "Mammography",
    "OCT",
)
_ID = re.compile(rf"(?P<case>.+?)_(?P<modality>{'|'.join(MODALITIES)})(?=[_.-]|$)", re.IGNORECASE)
_COLUMNS = {"prompt", "images", "reward_model", "bbox", "bbox_2d"}


def sample(row: Row, place: Place, split: str | None) -> Sample | None:
    """The sample of one row, None if it is of another split. Errors: RowError."""
    value = rows.mapping(row.value)
    if not ours.of_split(value, split):
        return None
    if not _COLUMNS & value.keys():
        return ours.made(value, place)
    value = {
        **rows.mapping(value.get("extra_info") or {}, "extra_info"),
        **{key: cell for key, cell in value.items() if cell is not None},
    }
    fields = {**value, **_pictures(value, posixpath.dirname(row.file), place), **_words(value)}
    if value.get("box") and value.get("points"):
        return ours.made(fields, place)
    return _rescaled(ours.made({**fields, **_truth(value)}, place))


def _words(value: dict) -> dict:
    """id, question, modality, category and case."""
    name = rows.text(value, "id")
    told = _ID.match(name)
    modal = value.get("modal") or (told["modality"] if told else "unknown")
    known = {each.lower(): each for each in MODALITIES}
    return {
        "id": name,
        "question": _question(value),
        "modality": value.get("modality") or known.get(str(modal).lower(), str(modal)),
        "category": value.get("category") or _target(value, name),
        "case": value.get("case") or (told["case"] if told else name),
    }


def _question(value: dict) -> object:
    prompt = value.get("prompt")
    if isinstance(prompt, (list, tuple)):
        prompt = prompt[0].get("content") if prompt and isinstance(prompt[0], dict) else None
    return value.get("question") or value.get("problem") or prompt


def _target(value: dict, name: str) -> str | None:
    """What follows the image's own name in the id: left lung of chest_7.png and chest_7_left_lung_000.png."""
    image = value.get("image")
    stem = posixpath.splitext(posixpath.basename(image))[0] if isinstance(image, str) else ""
    found = re.fullmatch(rf"{re.escape(stem)}_(?P<target>.+?)_\d+(\.\w+)?", name) if stem else None
    return found["target"].replace("_", " ") if found else None


def _pictures(value: dict, near: str, place: Place) -> dict:
    """image and mask; their paths count from the row's file, or from the set's folder."""
    image, mask = (
        _first(value.get(plural)) or value.get(single)
        for plural, single in (("images", "image"), ("masks", "mask"))
    )
    found = {"image": _near(image, near, place), "mask": _near(mask, near, place)}
    if mask is None and isinstance(image, str):
        name = f"masks/{rows.text(value, 'id')}"
        found["mask"] = place.look(*(posixpath.join(near, each) for each in (name, f"{name}.png")))
    return found


def _first(pictures: object) -> object:
    return pictures[0] if isinstance(pictures, (list, tuple)) and pictures else None


def _near(picture: object, near: str, place: Place) -> object:
    if isinstance(picture, dict) and not picture.get("bytes"):
        picture = picture.get("path")
    return rows.file(place, posixpath.join(near, picture), picture) if isinstance(picture, str) else picture


def _truth(value: dict) -> dict:
    """box and points as the row gives them."""
    truth = value
    if value.get("reward_model") is not None or not {"bbox", "bbox_2d"} & value.keys():
        truth = rows.mapping(
            rows.mapping(value.get("reward_model"), "reward_model").get("ground_truth"), "ground_truth"
        )
    return {
        "box": rows.box(truth.get("bbox_2d", truth.get("bbox"))),
        "points": rows.points(truth.get("point_2d", truth.get("point"))),
    }


def _rescaled(sample: Sample) -> Sample:
    """`sample` with box and points in pixels of its own image."""
    width, height = _size(sample.image, "image")
    if sample.mask is not None and (came := _size(sample.mask, "mask")) != (width, height):
        raise RowError(f"its mask is {came[0]} x {came[1]} pixels, its image {width} x {height}")
    sx, sy = _scale(sample, width / SIDE, height / SIDE)
    x1, y1, x2, y2 = sample.box
    box = (x1 * sx, y1 * sy, x2 * sx, y2 * sy)
    if min(box) < 0 or box[2] > width or box[3] > height:
        raise RowError(f"box {[round(v, 1) for v in box]} reaches out of the {width} x {height} image")
    (ax, ay), (bx, by) = sample.points
    return replace(sample, box=box, points=((ax * sx, ay * sy), (bx * sx, by * sy)))


def _scale(sample: Sample, sx: float, sy: float) -> tuple[float, float]:
    """Image pixels per unit of the row's coordinates, (x, y); `sx`, `sy` if they are in the frame of 840 x 840.

    Images are published at 840 x 840, where this is 1. For another size the set does not say whether its numbers are in the 840 frame
    or in the image's own: the mask decides; without one the 840 frame is taken, unless the box does not fit in it.
    """
    box: Box = sample.box
    if (sx, sy) == (1, 1) or max(box) > SIDE:
        return 1.0, 1.0
    if sample.mask is None:
        return sx, sy
    try:
        seen = mask_to_box(sample.load_mask())
    except ValueError as error:  # unreadable or empty
        raise RowError(str(error)) from error
    return min(
        ((1.0, 1.0), (sx, sy)),
        key=lambda scale: sum(abs(b * s - m) for b, s, m in zip(box, (*scale, *scale), seen, strict=True)),
    )


def _size(picture: Path | bytes, what: str) -> tuple[int, int]:
    """(width, height), from the header alone."""
    try:
        with Image.open(BytesIO(picture) if isinstance(picture, bytes) else picture) as opened:
            return opened.size
    except (OSError, UnidentifiedImageError) as error:
        raise RowError(f"its {what} is no readable picture ({error})") from error

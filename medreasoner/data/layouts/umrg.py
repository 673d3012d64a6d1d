"""Rows of U-MRG-14K and 6k, as published (arXiv 2508.08177) and as this project publishes its own sets.

Three shapes of one row:
  parquet for verl   `prompt[0].content` the question, `images[0]`, `masks[0]`, `extra_info` (`id`,
                     `category`, `supercategory`), `reward_model.ground_truth` a JSON string with `bbox_2d`
                     and `point_2d`.
  umrg_rl.json       a list of objects with `id`, `image`, `bbox`, `point`; masks in masks/ID beside it.
  ours beside theirs the columns of the first with ours (`modality`, `case`, `think`, `box`, `points`, …),
                     which win, being in pixels of the image already.
A row with none of the published columns is read by `project.py`. The published boxes and points are kept as
they are, only brought into pixels of the row's own image.

What the rows leave open is read from the id, `<case>_<modality>_<site>_<target>_<number>.png`, and the
image's name, which is the id's beginning up to the site. The paper does not name the raw file's key of the
question; `question`, `problem` and `prompt` are taken.
"""

import posixpath
import re
from dataclasses import replace
from pathlib import Path

from medreasoner.data.layouts.project import in_split, make_sample
from medreasoner.data.rows import Row
from medreasoner.data.sample import Sample, SampleError
from medreasoner.data.storage import RowError, Storage
from medreasoner.data.values import as_object, box_of, existing_file, points_of, text_of
from medreasoner.geometry import Box, mask_to_box
from medreasoner.imaging.mask_file import MaskError, mask_image_size

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


def read_sample(row: Row, storage: Storage, split: str | None) -> Sample | None:
    """The sample of one row, None if it is of another split. Errors: RowError."""
    fields = as_object(row.value)
    if not in_split(fields, split):
        return None
    if not _COLUMNS & fields.keys():
        return make_sample(fields, storage)
    fields = {
        **as_object(fields.get("extra_info") or {}, "extra_info"),
        **{key: cell for key, cell in fields.items() if cell is not None},
    }
    complete = {**fields, **_pictures(fields, posixpath.dirname(row.file), storage), **_texts(fields)}
    if fields.get("absent") or (fields.get("box") and fields.get("points")):
        return make_sample(complete, storage)
    return _rescaled(make_sample({**complete, **_truth(fields)}, storage))


def _texts(fields: dict) -> dict:
    """id, question, modality, category and case."""
    name = text_of(fields, "id")
    parts = _ID.match(name)
    modal = fields.get("modal") or (parts["modality"] if parts else "unknown")
    known = {each.lower(): each for each in MODALITIES}
    return {
        "id": name,
        "question": _question(fields),
        "modality": fields.get("modality") or known.get(str(modal).lower(), str(modal)),
        "category": fields.get("category") or _target(fields, name),
        "case": fields.get("case") or (parts["case"] if parts else name),
    }


def _question(fields: dict) -> object:
    prompt = fields.get("prompt")
    if isinstance(prompt, (list, tuple)):
        prompt = prompt[0].get("content") if prompt and isinstance(prompt[0], dict) else None
    return fields.get("question") or fields.get("problem") or prompt


def _target(fields: dict, name: str) -> str | None:
    """What follows the image's own name in the id: left lung of chest_7.png and chest_7_left_lung_000.png."""
    image = fields.get("image")
    stem = posixpath.splitext(posixpath.basename(image))[0] if isinstance(image, str) else ""
    found = re.fullmatch(rf"{re.escape(stem)}_(?P<target>.+?)_\d+(\.\w+)?", name) if stem else None
    return found["target"].replace("_", " ") if found else None


def _pictures(fields: dict, near: str, storage: Storage) -> dict:
    """image and mask; their paths count from the row's file, or from the set's folder."""
    image, mask = (
        _first(fields.get(plural)) or fields.get(single)
        for plural, single in (("images", "image"), ("masks", "mask"))
    )
    found = {"image": _near(image, near, storage), "mask": _near(mask, near, storage)}
    if mask is None and isinstance(image, str):
        name = f"masks/{text_of(fields, 'id')}"
        found["mask"] = storage.first_existing(
            *(posixpath.join(near, each) for each in (name, f"{name}.png"))
        )
    return found


def _first(pictures: object) -> object:
    return pictures[0] if isinstance(pictures, (list, tuple)) and pictures else None


def _near(picture: object, near: str, storage: Storage) -> object:
    if isinstance(picture, dict) and not picture.get("bytes"):
        picture = picture.get("path")
    if not isinstance(picture, str):
        return picture
    return existing_file(storage, posixpath.join(near, picture), picture)


def _truth(fields: dict) -> dict:
    """box and points as the row gives them."""
    truth = fields
    if fields.get("reward_model") is not None or not {"bbox", "bbox_2d"} & fields.keys():
        reward = as_object(fields.get("reward_model"), "reward_model")
        truth = as_object(reward.get("ground_truth"), "ground_truth")
    return {
        "box": box_of(truth.get("bbox_2d", truth.get("bbox"))),
        "points": points_of(truth.get("point_2d", truth.get("point"))),
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
    """Image pixels per unit of the row's coordinates, (x, y); `sx`, `sy` if they are in the 840 frame.

    Images are published at 840 x 840, where this is 1. For another size the set does not say whether its
    numbers are in the 840 frame or in the image's own: the mask decides; without one the 840 frame is taken,
    unless the box does not fit in it.
    """
    box: Box = sample.box
    if (sx, sy) == (1, 1) or max(box) > SIDE:
        return 1.0, 1.0
    if sample.mask is None:
        return sx, sy
    try:
        mask = sample.load_mask()
    except SampleError as error:
        raise RowError(str(error)) from error
    if not mask.any():
        raise RowError("its mask is empty")
    measured = mask_to_box(mask)
    return min(
        ((1.0, 1.0), (sx, sy)),
        key=lambda scale: sum(
            abs(b * s - m) for b, s, m in zip(box, (*scale, *scale), measured, strict=True)
        ),
    )


def _size(picture: Path | bytes, what: str) -> tuple[int, int]:
    try:
        return mask_image_size(picture)
    except MaskError as error:
        raise RowError(f"its {what} is no readable picture ({error})") from error

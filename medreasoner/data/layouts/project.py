"""The project's own rows: a line of samples.jsonl, or a row of parquet with the same fields.

Fields: `id`, `image`, `mask`, `question`, `modality`, `category`, `case`; optional `split`, `supercategory`,
`box`, `points`, `think`, `others`, `target`, `side`, `image_side`. With `box` and `points` the mask may be
left out; where `absent` is true there is none of the three. `image` and `mask` are paths relative to the
set's folder, or in parquet `{"bytes", "path"}`, as the feature `Image` of `datasets` stores them. Coordinates
are in pixels of the image.
"""

from pathlib import Path

from medreasoner.data.rows import Row
from medreasoner.data.sample import Sample
from medreasoner.data.storage import RowError, Storage
from medreasoner.data.values import (
    as_list,
    as_object,
    box_of,
    existing_file,
    name_of,
    optional_name_of,
    points_of,
    text_of,
)
from medreasoner.messages import short


def read_sample(row: Row, storage: Storage, split: str | None) -> Sample | None:
    """The sample of one row, None if it is of another split. Errors: RowError."""
    fields = as_object(row.value)
    return make_sample(fields, storage) if in_split(fields, split) else None


def in_split(fields: dict, split: str | None) -> bool:
    """Whether a row is wanted; rows that name no split belong to every one."""
    return split is None or not fields.get("split") or fields["split"] == split


def make_sample(fields: dict, storage: Storage) -> Sample:
    """The sample that these fields describe. Errors: RowError."""
    absent = fields.get("absent") or False
    if not isinstance(absent, bool):
        raise RowError(f"absent must be true or false, got {short(absent)}")
    if absent and any(fields.get(key) for key in ("mask", "box", "points")):
        raise RowError("it is marked as absent, so it must have no mask, box or points")
    if not absent and not fields.get("mask") and not (fields.get("box") and fields.get("points")):
        raise RowError("it has no mask, so it must have box and points")
    if not fields.get("image"):
        raise RowError("it has no image")
    return Sample(
        image=_picture(fields["image"], storage),
        mask=_picture(fields["mask"], storage) if fields.get("mask") else None,
        box=box_of(fields["box"]) if fields.get("box") else None,
        points=points_of(fields["points"]) if fields.get("points") else None,
        absent=absent,
        others=tuple(box_of(other) for other in as_list(fields.get("others"), "others")),
        question=text_of(fields, "question"),
        think=str(fields.get("think") or ""),
        **{key: name_of(fields, key) for key in ("id", "modality", "category", "case")},
        **{key: optional_name_of(fields, key) for key in ("supercategory", "target", "side", "image_side")},
    )


def _picture(value: object, storage: Storage) -> Path | bytes:
    """A picture as rows hold it: a path, bytes, or `{"bytes", "path"}`; a Path was looked up already."""
    if isinstance(value, (bytes, Path)):
        return value
    if isinstance(value, str):
        return existing_file(storage, value)
    if isinstance(value, dict) and (value.get("bytes") or value.get("path")):
        return value.get("bytes") or existing_file(storage, text_of(value, "path"))
    raise RowError(f"a picture must be a path or the bytes of a file, got {short(value)}")

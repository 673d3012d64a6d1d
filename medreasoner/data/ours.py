"""The project's own rows.

Is: one row with these fields -> a Sample, from a line of samples.jsonl or a row of parquet: `id`, `image`, `mask`, `question`, `modality`,
`category`, `case`; optional `split`, `supercategory`, `box`, `points`, `think`, `others`. With `box` and `points` the mask may be
left out. `image` and `mask` are paths relative to the set's folder, or in parquet `{"bytes", "path"}`, as the feature `Image` of datasets
stores them. Coordinates are in pixels of the image.
Is not: the published schema (`published.py`).
"""

from pathlib import Path

from medreasoner.data import rows
from medreasoner.data.rows import Place, Row, RowError
from medreasoner.data.sample import Sample


def sample(row: Row, place: Place, split: str | None) -> Sample | None:
    """The sample of one row, None if it is of another split. Errors: RowError."""
    value = rows.mapping(row.value)
    return made(value, place) if of_split(value, split) else None


def of_split(value: dict, split: str | None) -> bool:
    """Rows that name no split belong to every one."""
    return split is None or not value.get("split") or value["split"] == split


def made(value: dict, place: Place) -> Sample:
    """The sample that these fields describe. Errors: RowError."""
    if not value.get("mask") and not (value.get("box") and value.get("points")):
        raise RowError("it has no mask, so it must have box and points")
    if not value.get("image"):
        raise RowError("it has no image")
    return Sample(
        image=picture(value["image"], place),
        mask=picture(value["mask"], place) if value.get("mask") else None,
        box=rows.box(value["box"]) if value.get("box") else None,
        points=rows.points(value["points"]) if value.get("points") else None,
        others=tuple(rows.box(other) for other in rows.several(value.get("others"), "others")),
        **{key: rows.text(value, key) for key in ("id", "question", "modality", "category", "case")},
        **{key: str(value.get(key) or "") for key in ("supercategory", "think")},
    )


def picture(value: object, place: Place) -> Path | bytes:
    """A picture as rows hold it: a path, bytes, or `{"bytes", "path"}`; a Path was found already."""
    if isinstance(value, (bytes, Path)):
        return value
    if isinstance(value, str):
        return rows.file(place, value)
    if isinstance(value, dict) and (value.get("bytes") or value.get("path")):
        return value.get("bytes") or rows.file(place, rows.text(value, "path"))
    raise RowError(f"a picture must be a path or the bytes of a file, got {str(value)[:60]}")

"""Reading sets of samples.

Is: two formats behind one iterable: the project's folder and the published parquet files. A row that cannot be used is named, skipped and
counted; with `strict` it stops the reading.
Is not: a downloader, and not a reader of pictures; a sample opens its own when asked.

The project's folder: FOLDER/samples.jsonl, one object a line with `id`, `image`, `mask`, `question`, `modality`, `category`, `case`; paths
are relative to the folder. Optional: `split`, `supercategory`, `box`, `points`, `think`, `others`. With `box` and `points` the mask
may be left out.

The published parquet (a file, or FOLDER/SPLIT.parquet): `prompt[0].content` the question, `images[0]`, `masks[0]`, `extra_info` (`id`,
`category`, `supercategory`), `reward_model.ground_truth` a JSON string with `bbox_2d` and `point_2d` in pixels of an 840 x 840 frame.
Modality and case are not stated there; they are read from the id, `<case>_<modality>_<site>_<target>_<number>.png`.

    for sample in load("data/set", split="validation"): ...
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from medreasoner.data.sample import Sample
from medreasoner.geometry import Box, Point, mask_to_box

PUBLISHED_SIDE = 840  # pixels; the frame of the published boxes and points
_MODALITIES = ("X-Ray", "CT", "MRI", "Ultrasound", "Endoscopy", "Fundus", "Pathology", "Dermoscopy", "Mammography", "OCT")
_PUBLISHED_ID = re.compile(rf"(?P<case>.+?)_(?P<modality>{'|'.join(_MODALITIES)})(?=[_.-]|$)", re.IGNORECASE)


class DataError(ValueError):
    """A set, or with `strict` a row of it, cannot be read; the message says what was expected, what came and what to do."""


class RowError(ValueError):
    """One row cannot be used; the message is the reason."""


@dataclass(frozen=True)
class Skipped:
    """A row that was left out: its file's name, its row from 1, and the reason."""

    file: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.reason}"


@dataclass
class Loaded:
    """A set of samples, read anew by every iteration; `skipped` holds the rows that the latest one left out."""

    source: Path
    split: str | None = None
    strict: bool = False
    skipped: list[Skipped] = field(default_factory=list)

    def __iter__(self) -> Iterator[Sample]:
        self.skipped = []
        seen: set[str] = set()
        rows, make = _open(self.source, self.split)
        for file, number, row in rows:
            try:
                sample = make(row)
                if sample is None:  # of another split
                    continue
                if sample.id in seen:
                    raise RowError(f"the id {sample.id!r} has come before")
            except RowError as error:
                skipped = Skipped(file, number, str(error))
                if self.strict:
                    raise DataError(str(skipped)) from error
                self.skipped.append(skipped)
                continue
            seen.add(sample.id)
            yield sample
        if not seen:
            wanted = f" of split {self.split!r}" if self.split else ""
            why = f"; {len(self.skipped)} rows were skipped, the first is {self.skipped[0]}" if self.skipped else ""
            raise DataError(f"{self.source} holds no usable sample{wanted}{why}")


def load(source: str | Path, split: str | None = None, strict: bool = False) -> Loaded:
    """The samples of a folder or parquet file, lazily.

    Args:
        split: only rows of this split; rows that name none belong to every split. None: all rows.
        strict: raise DataError at the first row that cannot be used instead of skipping it.

    Errors: DataError, here or while iterating, also when no row is left.
    """
    source = Path(source)
    _open(source, split)  # a wrong path is told now, not at the first sample
    return Loaded(source, split, strict)


def _open(source: Path, split: str | None) -> tuple[Iterator[tuple[str, int, object]], Callable[[object], Sample | None]]:
    """The rows of `source` as (file name, row number, row), and what turns a row into a sample."""
    if (source / "samples.jsonl").is_file():
        return _lines(source / "samples.jsonl"), partial(_folder_sample, folder=source, split=split)
    if source.suffix == ".parquet" and source.is_file():
        return _records([source]), partial(_published_sample, folder=source.parent)
    stem = split or "*"
    files = sorted({*source.glob(f"{stem}.parquet"), *source.glob(f"{stem}-*.parquet"), *source.glob(f"data/{stem}-*.parquet")})
    if files:
        return _records(files), partial(_published_sample, folder=source)
    came = f"{source}, which has neither" if source.is_dir() else f"{source}, which is {'another file' if source.exists() else 'not there'}"
    raise DataError(f"expected a .parquet file or a folder with samples.jsonl or {stem}.parquet, got {came}")


# --- the project's folder ---


def _lines(path: Path) -> Iterator[tuple[str, int, object]]:
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield path.name, number, line


def _folder_sample(line: str, folder: Path, split: str | None) -> Sample | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RowError(f"not JSON ({error})") from error
    if not isinstance(row, dict):
        raise RowError(f"expected an object, got {type(row).__name__}")
    if split is not None and row.get("split") not in (None, split):
        return None
    if not row.get("mask") and not (row.get("box") and row.get("points")):
        raise RowError("it has no mask, so it must have box and points")
    return Sample(
        image=_file(folder, _text(row, "image")),
        mask=_file(folder, _text(row, "mask")) if row.get("mask") else None,
        box=_box(row["box"]) if row.get("box") else None,
        points=_points(row["points"]) if row.get("points") else None,
        others=tuple(_box(other) for other in row.get("others") or ()),
        **{key: _text(row, key) for key in ("id", "question", "modality", "category", "case")},
        **{key: str(row.get(key) or "") for key in ("supercategory", "think")},
    )


def _file(folder: Path, name: str) -> Path:
    if not (folder / name).is_file():
        raise RowError(f"no file {name}")
    return folder / name


def _text(row: dict, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{key} must be a text that is not empty, got {value!r}")
    return value


def _numbers(value: object, count: int, name: str) -> tuple[float, ...]:
    if isinstance(value, (list, tuple)) and len(value) == count and all(type(v) in (int, float) and math.isfinite(v) for v in value):
        return tuple(float(v) for v in value)
    raise RowError(f"{name} must be {count} finite numbers, got {str(value)[:60]}")


def _box(value: object) -> Box:
    x1, y1, x2, y2 = _numbers(value, 4, "box")
    if not (x1 < x2 and y1 < y2):
        raise RowError(f"box must be x1 < x2 and y1 < y2, got {[x1, y1, x2, y2]}")
    return x1, y1, x2, y2


def _points(value: object) -> tuple[Point, Point]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise RowError(f"points must be two [x, y], got {str(value)[:60]}")
    return _numbers(value[0], 2, "a point"), _numbers(value[1], 2, "a point")


# --- the published parquet ---


def _records(paths: list[Path]) -> Iterator[tuple[str, int, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        number = 0
        try:
            for batch in pq.ParquetFile(path).iter_batches(batch_size=16):
                for row in batch.to_pylist():
                    number += 1
                    yield path.name, number, row
        except pa.ArrowInvalid as error:
            raise DataError(f"{path} is no whole parquet file ({error})") from error


def _published_sample(row: dict, folder: Path) -> Sample:
    extra = row.get("extra_info") or {}
    image = _first_picture(row, "images", folder)
    if image is None:
        raise RowError("it has no image")
    name = _text(extra, "id")
    told = _PUBLISHED_ID.match(name)
    sample = Sample(
        id=name,
        image=image,
        mask=_first_picture(row, "masks", folder),
        question=_text((row.get("prompt") or [{}])[0], "content"),
        modality=next(m for m in _MODALITIES if m.lower() == told["modality"].lower()) if told else "unknown",
        category=_text(extra, "category"),
        case=told["case"] if told else name,
        supercategory=extra.get("supercategory") or "",
    )
    return _with_truth(sample, row)


def _first_picture(row: dict, key: str, folder: Path) -> Path | bytes | None:
    """The first of a list of pictures as parquet holds them: `{"bytes", "path"}`, or bare bytes."""
    pictures = row.get(key)
    if not pictures:
        return None
    if isinstance(pictures[0], bytes):
        return pictures[0]
    return pictures[0].get("bytes") or _file(folder, _text(pictures[0], "path"))


def _with_truth(sample: Sample, row: dict) -> Sample:
    """`sample` with the row's box and points in pixels of its own image."""
    text = _text(row.get("reward_model") or {}, "ground_truth")
    try:
        truth = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RowError(f"ground_truth is not JSON ({error})") from error
    if not isinstance(truth, dict):
        raise RowError(f"ground_truth must be an object, got {text[:60]}")
    box = _box(truth.get("bbox_2d", truth.get("bbox")))
    points = _points(truth.get("point_2d", truth.get("point")))
    sx, sy = _published_scale(sample, box)
    x1, y1, x2, y2 = box
    (ax, ay), (bx, by) = points
    return replace(sample, box=(x1 * sx, y1 * sy, x2 * sx, y2 * sy), points=((ax * sx, ay * sy), (bx * sx, by * sy)))


def _published_scale(sample: Sample, box: Box) -> tuple[float, float]:
    """Image pixels per unit of the published truth, (x, y).

    Images are published at 840 x 840, where this is 1. For another size the set does not say whether its numbers are in the 840 frame
    or in the image's own: the mask decides; without one the 840 frame is taken, unless the box does not fit in it.
    """
    try:
        with Image.open(BytesIO(sample.image) if isinstance(sample.image, bytes) else sample.image) as picture:
            width, height = picture.size
    except (OSError, UnidentifiedImageError) as error:
        raise RowError(f"its image is no readable picture ({error})") from error
    frame = (width / PUBLISHED_SIDE, height / PUBLISHED_SIDE)
    if frame == (1, 1) or max(box) > PUBLISHED_SIDE:
        return 1.0, 1.0
    if sample.mask is None:
        return frame
    try:
        seen = mask_to_box(sample.load_mask())
    except ValueError as error:  # unreadable or empty
        raise RowError(str(error)) from error
    return min(((1.0, 1.0), frame), key=lambda scale: sum(abs(b * s - m) for b, s, m in zip(box, (*scale, *scale), seen, strict=True)))

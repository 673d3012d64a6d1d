"""The rows of a set's files, one after another, and what must be true of their values.

Is: readers of JSON lines, a JSON list, CSV and parquet, none of which holds more than a batch of pictures; the checks that every layout
shares; and a set's folder, where the names in its rows lead.
Is not: the meaning of any column (`ours.py`, `published.py`, `listing.py`), and not the Hub (`load.py`).
"""

import csv
import json
import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from medreasoner.geometry import Box, Point

BATCH = 16  # rows of parquet that are Python objects at one time
BUFFER = (
    1 << 22
)  # bytes of a column read at once; without it whole row groups are read, and pandas writes all rows into one


class DataError(ValueError):
    """A set, or with `strict` a row of it, cannot be read; the message says what was expected, what came and what to do."""


class RowError(ValueError):
    """One row cannot be used; the message is the reason."""


class Row(NamedTuple):
    """`value` as the file holds it, its file's name and its number there: from 1, in a CSV from 2, the header being row 1."""

    file: str
    number: int
    value: object


class Place(Protocol):
    """Where a set's files lie. Names are relative to it, with forward slashes."""

    def find(self, *patterns: str) -> list[str]:
        """The names that match any of these glob patterns, sorted."""
        ...

    def look(self, *names: str) -> Path | None:
        """The first of these files that is there."""
        ...

    def open(self, name: str) -> BinaryIO:
        """A file that is read in parts."""
        ...

    def asking(self) -> AbstractContextManager[None]:
        """Turns trouble with the place itself into DataError."""
        ...


@dataclass(frozen=True)
class Folder:
    """A place on this machine."""

    path: Path

    def find(self, *patterns: str) -> list[str]:
        found = {path for pattern in patterns for path in self.path.glob(pattern) if path.is_file()}
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def look(self, *names: str) -> Path | None:
        return next(
            (self.path / name for name in names if os.path.isfile(self.path / name)), None
        )  # unlike Path's, never raises

    def open(self, name: str) -> BinaryIO:
        return (self.path / name).open("rb")

    @contextmanager
    def asking(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read ({error}); look at its files and their permissions"
            ) from error


# --- rows ---


def lines(place: Place, names: list[str]) -> Iterator[Row]:
    """The lines of text files that are not empty."""
    for name in names:
        with file(place, name).open(encoding="utf-8", errors="replace") as opened:
            for number, line in enumerate(opened, 1):
                if line.strip():
                    yield Row(name, number, line)


def entries(place: Place, names: list[str]) -> Iterator[Row]:
    """The entries of files that hold one JSON list each."""
    for name in names:
        try:
            values = json.loads(file(place, name).read_bytes())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} is not JSON ({error}); expected a list of objects") from error
        if not isinstance(values, list):
            raise DataError(f"{name} holds a JSON {type(values).__name__}; expected a list of objects")
        yield from (Row(name, number, value) for number, value in enumerate(values, 1))


def table(place: Place, names: list[str]) -> Iterator[Row]:
    """The rows of CSV files as dicts; columns are separated by comma, semicolon or tab, their names come in lower case."""
    for name in names:
        with file(place, name).open(encoding="utf-8-sig", errors="replace", newline="") as opened:
            header = opened.readline()
            columns = next(csv.reader([header], delimiter=(by := max(",;\t", key=header.count))), [])
            reader = csv.DictReader(opened, [column.strip().lower() for column in columns], delimiter=by)
            try:
                yield from (Row(name, number, value) for number, value in enumerate(reader, 2))
            except csv.Error as error:
                raise DataError(f"{name}, line {reader.line_num + 2} is no CSV ({error})") from error


def records(place: Place, names: list[str]) -> Iterator[Row]:
    """The rows of parquet files as dicts, pictures as the bytes they are stored in. In memory are a page of each column and BATCH rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in names:
        number = 0
        with place.open(name) as opened:
            try:
                for batch in pq.ParquetFile(opened, buffer_size=BUFFER, pre_buffer=False).iter_batches(BATCH):
                    for value in batch.to_pylist():
                        number += 1
                        yield Row(name, number, value)
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"{name} is no whole parquet file ({error}); fetch or write it again"
                ) from error


# --- values ---


def mapping(value: object, name: str = "the row") -> dict:
    """`value` if it is an object, as JSON or decoded."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RowError(f"{name} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise RowError(f"{name} must be an object, got {str(value)[:60]}")
    return value


def several(value: object, name: str) -> list:
    """`value` if it is a list; none if it is empty or not there."""
    if value and not isinstance(value, (list, tuple)):
        raise RowError(f"{name} must be a list, got {str(value)[:60]}")
    return list(value or ())


def file(place: Place, *names: str) -> Path:
    """The first of these files that is there."""
    path = place.look(*names)
    if path is None:
        raise RowError(f"no file {names[0]}")
    return path


def text(row: dict, key: str) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{key} must be a text that is not empty, got {value!r}")
    return value


def box(value: object) -> Box:
    x1, y1, x2, y2 = _numbers(value, 4, "box")
    if not (x1 < x2 and y1 < y2):
        raise RowError(f"box must be x1 < x2 and y1 < y2, got {[x1, y1, x2, y2]}")
    return x1, y1, x2, y2


def points(value: object) -> tuple[Point, Point]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise RowError(f"points must be two [x, y], got {str(value)[:60]}")
    return _numbers(value[0], 2, "a point"), _numbers(value[1], 2, "a point")


def _numbers(value: object, count: int, name: str) -> tuple[float, ...]:
    if (
        isinstance(value, (list, tuple))
        and len(value) == count
        and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    ):
        return tuple(float(v) for v in value)
    raise RowError(f"{name} must be {count} finite numbers, got {str(value)[:60]}")

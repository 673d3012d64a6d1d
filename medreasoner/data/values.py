"""Checks of the values in a row, the same for every layout; each raises RowError with the reason."""

import json
import math
from pathlib import Path

from medreasoner.data.storage import RowError, Storage
from medreasoner.geometry import Box, Point
from medreasoner.messages import cut, short

LONGEST_NAME = 300  # letters of an id, a modality, a category …: names, not texts


def as_object(value: object, name: str = "the row") -> dict:
    """`value` if it is an object, decoded or as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RowError(f"{name} is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise RowError(f"{name} must be an object, got {short(value)}")
    return value


def as_list(value: object, name: str) -> list:
    """`value` if it is a list; an empty list where it is missing."""
    if value and not isinstance(value, (list, tuple)):
        raise RowError(f"{name} must be a list, got {short(value)}")
    return list(value or ())


def text_of(row: dict, key: str) -> str:
    """The text under `key`, which must not be blank."""
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise RowError(f"{key} must be a text that is not empty, got {short(value)}")
    return value


def name_of(row: dict, key: str) -> str:
    """The text under `key`, which names something and so is short."""
    name = text_of(row, key)
    if len(name) > LONGEST_NAME:
        raise RowError(
            f"{key} must be a name of at most {LONGEST_NAME} letters, got {len(name):,}: {short(name)}"
        )
    return name


def optional_name_of(row: dict, key: str) -> str:
    """The name under `key`, "" where there is none."""
    return name_of({key: str(row[key])}, key) if row.get(key) else ""


def box_of(value: object) -> Box:
    """Four numbers x1 < x2, y1 < y2."""
    x1, y1, x2, y2 = numbers_of(value, 4, "box")
    if not (x1 < x2 and y1 < y2):
        raise RowError(f"box must be x1 < x2 and y1 < y2, got {[x1, y1, x2, y2]}")
    return x1, y1, x2, y2


def points_of(value: object) -> tuple[Point, Point]:
    """Two points [x, y]."""
    try:
        first, second = value if isinstance(value, (list, tuple)) else ()
    except ValueError as error:
        raise RowError(f"points must be two [x, y], got {short(value)}") from error
    return numbers_of(first, 2, "a point"), numbers_of(second, 2, "a point")


def numbers_of(value: object, count: int, name: str) -> tuple[float, ...]:
    """`count` finite numbers."""
    if (
        isinstance(value, (list, tuple))
        and len(value) == count
        and all(type(v) in (int, float) and math.isfinite(v) for v in value)
    ):
        return tuple(float(v) for v in value)
    raise RowError(f"{name} must be {count} finite numbers, got {short(value)}")


def existing_file(storage: Storage, *names: str) -> Path:
    """The first of these files that exists."""
    path = storage.first_existing(*names)
    if path is None:
        raise RowError(f"no file {cut(names[0])}")
    return path

"""Reads the rows of JSON lines, JSON lists, CSV and parquet, at most a batch of pictures in memory.

What the columns mean is in `layouts/`.
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from medreasoner.data.storage import DataError, RowError, Storage

BATCH = 16  # rows of parquet that are Python objects at one time
# Bytes of a parquet column read at once; without it whole row groups, and pandas writes a single one.
BUFFER = 1 << 22


class Row(NamedTuple):
    """One row of a file.

    `number` counts from 1, in a CSV from 2, the header being row 1. `value` is what the file holds: a line of
    text, or what was decoded from it.
    """

    file: str
    number: int
    value: object


def jsonl_rows(storage: Storage, names: list[str]) -> Iterator[Row]:
    """The lines of text files that are not blank, not decoded yet."""
    for name in names:
        with _listed_file(storage, name).open(encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield Row(name, number, line)


def json_rows(storage: Storage, names: list[str]) -> Iterator[Row]:
    """The entries of files that hold one JSON list each."""
    for name in names:
        try:
            values = json.loads(_listed_file(storage, name).read_bytes())
        except (ValueError, RecursionError) as error:
            raise DataError(f"{name} is not JSON ({error}); expected a list of objects") from error
        if not isinstance(values, list):
            raise DataError(f"{name} holds a JSON {type(values).__name__}; expected a list of objects")
        yield from (Row(name, number, value) for number, value in enumerate(values, 1))


def csv_rows(storage: Storage, names: list[str]) -> Iterator[Row]:
    """The rows of CSV files as dicts; columns are separated by comma, semicolon or tab, in lower case."""
    for name in names:
        with _listed_file(storage, name).open(encoding="utf-8-sig", errors="replace", newline="") as file:
            header = file.readline()
            delimiter = max(",;\t", key=header.count)
            columns = next(csv.reader([header], delimiter=delimiter), [])
            reader = csv.DictReader(file, [column.strip().lower() for column in columns], delimiter=delimiter)
            try:
                yield from (Row(name, number, value) for number, value in enumerate(reader, 2))
            except csv.Error as error:
                raise DataError(f"{name}, line {reader.line_num + 2} is no CSV ({error})") from error


def parquet_rows(storage: Storage, names: list[str]) -> Iterator[Row]:
    """The rows of parquet files as dicts, pictures as the bytes of their files.

    In memory are at most a page of each column and BATCH rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for name in names:
        number = 0
        with storage.open(name) as file:
            try:
                for batch in pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False).iter_batches(BATCH):
                    for value in batch.to_pylist():
                        number += 1
                        yield Row(name, number, value)
            except pa.ArrowInvalid as error:
                raise DataError(
                    f"{name} is no whole parquet file ({error}); fetch or write it again"
                ) from error


def _listed_file(storage: Storage, name: str) -> Path:
    try:
        path = storage.first_existing(name)
    except RowError as error:
        raise DataError(str(error)) from error
    if path is None:
        raise DataError(f"{name} was there a moment ago and is gone")
    return path

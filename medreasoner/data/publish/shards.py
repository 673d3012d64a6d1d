"""Rows into parquet files of the Hub's naming, SPLIT-00000-of-00002.parquet, in constant memory.

Is: row groups small enough for the Hub's viewer, files small enough to send. Is not: what is in a row (`publish.py`).
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from datasets import Features


class Shards:
    """A context; within it `write` takes rows, after it `files` lists what was written, by name.

    Args:
        folder: made if it is not there. features: of `datasets`; they go into the files, for the viewer and `load_dataset`.
        shard, group: bytes of pictures in a file and in a row group. group_rows: rows in a row group.

    Files of an earlier time are replaced at the end; a context left by an error changes nothing.
    """

    def __init__(self, folder: Path, features: "Features", shard: int, group: int, group_rows: int):
        self.folder, self.shard, self.group, self.group_rows = folder, shard, group, group_rows
        self.schema = features.arrow_schema
        self.files: list[Path] = []
        self._splits: dict[str, _Split] = {}

    def __enter__(self) -> "Shards":
        self.folder.mkdir(parents=True, exist_ok=True)
        for unfinished in self.folder.glob(".*.parquet"):
            unfinished.unlink()
        return self

    def write(self, split: str, row: dict) -> None:
        """Add a row; pictures in it are `{"bytes", "path"}` in lists."""
        if split not in self._splits:
            self._splits[split] = _Split(self, split)
        self._splits[split].write(row)

    def __exit__(self, kind: type | None, *_: object) -> None:
        for split in self._splits.values():
            split.close()
            for path in split.paths if kind else ():
                path.unlink()
        if kind is None:
            for old in self.folder.glob("[!.]*.parquet"):
                old.unlink()
            self.files = sorted(path for split in self._splits.values() for path in split.named())


class _Split:
    """The files of one split, the latest one open."""

    def __init__(self, shards: Shards, name: str):
        self.shards, self.name = shards, name
        self.paths: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[dict] = []
        self._waiting = self._in_file = 0  # bytes

    def write(self, row: dict) -> None:
        size = sum(
            len(picture["bytes"])
            for column in row.values()
            if isinstance(column, list)
            for picture in column
            if _holds(picture)
        )
        if self._in_file and self._in_file + size > self.shards.shard:
            self.close()
        self._rows.append(row)
        self._waiting += size
        self._in_file += size
        if self._waiting >= self.shards.group or len(self._rows) >= self.shards.group_rows:
            self._flush()

    def close(self) -> None:
        """End the open file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._in_file = None, 0

    def named(self) -> list[Path]:
        """Give the files their names, now that their number is known."""
        count = len(self.paths)
        return [
            path.rename(path.with_name(f"{self.name}-{n:05d}-of-{count:05d}.parquet"))
            for n, path in enumerate(self.paths)
        ]

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._rows:
            return
        if self._writer is None:
            self.paths.append(self.shards.folder / f".{self.name}-{len(self.paths):05d}.parquet")
            self._writer = pq.ParquetWriter(
                self.paths[-1], self.shards.schema, compression="snappy", write_page_index=True
            )
        self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self.shards.schema))
        self._rows, self._waiting = [], 0


def _holds(picture: object) -> bool:
    return isinstance(picture, dict) and "bytes" in picture

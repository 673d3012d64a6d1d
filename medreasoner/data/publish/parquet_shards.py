"""Writes rows into parquet files of the Hub's naming, SPLIT-00000-of-00002.parquet, in constant memory.

Row groups are small enough for the Hub's viewer, files small enough to send. `datasets` would first write the
whole set as an Arrow cache and then once more as parquet.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import pyarrow.parquet as pq
    from datasets import Features

FILE_BYTES = 400 << 20  # of pictures, after which a new file begins
GROUP_BYTES = 16 << 20  # of pictures in one row group: what the viewer must read to show a page
GROUP_ROWS = 64


class ParquetShards:
    """A context; within it `write` takes rows, after it `files` lists what was written, by name.

    Files of an earlier time are replaced at the end; a context that an error leaves changes nothing.

    Args:
        folder: made if it does not exist.
        features: of `datasets`; they go into the files, for the viewer and `load_dataset`.
        file_bytes, group_bytes: of pictures in a file and in a row group. group_rows: rows in a row group.
    """

    def __init__(
        self,
        folder: Path,
        features: "Features",
        file_bytes: int = FILE_BYTES,
        group_bytes: int = GROUP_BYTES,
        group_rows: int = GROUP_ROWS,
    ) -> None:
        self.folder, self.file_bytes = folder, file_bytes
        self.group_bytes, self.group_rows = group_bytes, group_rows
        self.schema = features.arrow_schema
        self.files: list[Path] = []
        self._splits: dict[str, _Split] = {}

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        for unfinished in self.folder.glob(".*.parquet"):
            unfinished.unlink()
        return self

    def write(self, split: str, row: dict) -> None:
        """Add a row; pictures in it are `{"bytes", "path"}` in lists."""
        if split not in self._splits:
            self._splits[split] = _Split(self, split)
        self._splits[split].write(row)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for split in self._splits.values():
            split.close()
            for path in split.paths if kind else ():
                path.unlink()
        if kind is None:
            for old in self.folder.glob("[!.]*.parquet"):
                old.unlink()
            self.files = sorted(path for split in self._splits.values() for path in split.rename())


class _Split:
    """The files of one split, the latest one open."""

    def __init__(self, shards: ParquetShards, name: str) -> None:
        self.shards, self.name = shards, name
        self.paths: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._rows: list[dict] = []
        self._waiting = self._in_file = 0  # bytes of pictures

    def write(self, row: dict) -> None:
        size = _picture_bytes(row)
        if self._in_file and self._in_file + size > self.shards.file_bytes:
            self.close()
        self._rows.append(row)
        self._waiting += size
        self._in_file += size
        if self._waiting >= self.shards.group_bytes or len(self._rows) >= self.shards.group_rows:
            self._flush()

    def close(self) -> None:
        """End the open file."""
        self._flush()
        if self._writer is not None:
            self._writer.close()
        self._writer, self._in_file = None, 0

    def rename(self) -> list[Path]:
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


def _picture_bytes(row: dict) -> int:
    lists = (column for column in row.values() if isinstance(column, list))
    cells = (cell for column in lists for cell in column)
    return sum(len(cell["bytes"]) for cell in cells if isinstance(cell, dict) and "bytes" in cell)

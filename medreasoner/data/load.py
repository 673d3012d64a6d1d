"""Reads a set of samples from a folder or from the Hub, whatever its layout, one sample at a time.

A row that cannot be used is named, skipped and counted; with `strict` it stops the reading.

What a folder, or a dataset on the Hub, may hold (SPLIT: its name; without one, every file that fits):
  samples.jsonl                                   the project's folder                 layouts/project.py
  SPLIT.parquet, SPLIT-*.parquet, data/SPLIT-*    the published columns, ours, or both layouts/umrg.py
  umrg_rl.json, SPLIT/umrg_rl.json                the published raw layout             layouts/umrg.py
  SPLIT.csv, metadata.csv                         a list of images, masks, questions   layouts/csv_list.py

    for sample in load("data/set", split="validation"): ...
    for sample in load("OWNER/NAME", split="test", revision="1f0c…"): ...
"""

import glob
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from medreasoner.data import rows
from medreasoner.data.digest import REPORT, Named
from medreasoner.data.hub_dataset import HubDataset
from medreasoner.data.layouts import csv_list, project, umrg
from medreasoner.data.rows import Row
from medreasoner.data.sample import Sample
from medreasoner.data.storage import DataError, Folder, RowError, Storage
from medreasoner.json_files import read_json
from medreasoner.messages import short

__all__ = ["DataError", "RowError", "SampleSet", "Skipped", "load"]


@dataclass(frozen=True)
class Layout:
    """How a set lies in files: their names ({} stands for the split), how rows are read, what a row means."""

    patterns: tuple[str, ...]
    read_rows: Callable[[Storage, list[str]], Iterator[Row]]
    read_sample: Callable[[Row, Storage, str | None], Sample | None]


LAYOUTS = (
    Layout(("samples.jsonl",), rows.jsonl_rows, project.read_sample),
    Layout(("{}.parquet", "{}-*.parquet", "data/{}-*.parquet"), rows.parquet_rows, umrg.read_sample),
    Layout(("umrg_rl.json", "{}/umrg_rl.json"), rows.json_rows, umrg.read_sample),
    Layout(("{}.csv",), rows.csv_rows, csv_list.read_sample),
    Layout(("metadata.csv",), rows.csv_rows, csv_list.read_sample),
)
BY_SUFFIX = {".jsonl": LAYOUTS[0], ".parquet": LAYOUTS[1], ".json": LAYOUTS[2], ".csv": LAYOUTS[3]}


@dataclass(frozen=True)
class Skipped:
    """A row that was left out: its file's name, its row there, and the reason."""

    file: str
    row: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}: {self.reason}"


@dataclass
class SampleSet:
    """A set of samples, read anew by every iteration; `skipped` holds the rows that the latest one left out.

    `revision` is the commit that is read, None for files on this machine.
    """

    source: str
    split: str | None
    strict: bool
    revision: str | None
    storage: Storage = field(repr=False)
    layout: Layout = field(repr=False)
    names: list[str] = field(repr=False)
    skipped: list[Skipped] = field(default_factory=list)

    def named(self) -> Named | None:
        """The set's name and version, None where it states none. Errors: DataError."""
        try:
            with self.storage.translate_errors():
                path = self.storage.first_existing(REPORT)
                return None if path is None else Named.read(read_json(path))
        except ValueError as error:
            raise DataError(f"{self.source}: {error}; mend or delete it") from error

    def __iter__(self) -> Iterator[Sample]:
        self.skipped = []
        seen: set[str] = set()
        with self.storage.translate_errors():
            for row in self.layout.read_rows(self.storage, self.names):
                try:
                    sample = self._sample(row, seen)
                except RowError as error:
                    skipped = Skipped(row.file, row.number, str(error))
                    if self.strict:
                        raise DataError(str(skipped)) from error
                    self.skipped.append(skipped)
                    continue
                if sample is not None:
                    seen.add(sample.id)
                    yield sample
        if not seen:
            raise DataError(f"{self.source} holds no usable sample{self._why_none()}")

    def _sample(self, row: Row, seen: set[str]) -> Sample | None:
        """The sample of `row`, None if it is of another split. Errors: RowError, also for an id in `seen`."""
        sample = self.layout.read_sample(row, self.storage, self.split)
        if sample is not None and sample.id in seen:
            raise RowError(f"the id {short(sample.id)} has come before")
        return sample

    def _why_none(self) -> str:
        wanted = f" of split {self.split!r}" if self.split else ""
        if not self.skipped:
            return wanted
        return f"{wanted}; {len(self.skipped)} rows were skipped, the first is {self.skipped[0]}"


def load(
    source: str | Path,
    split: str | None = None,
    strict: bool = False,
    revision: str | None = None,
    *,
    confined: bool = False,
) -> SampleSet:
    """The samples of a set, lazily, with all coordinates in pixels of the original images.

    Args:
        source: a folder or one of its files (.parquet, .jsonl, .json, .csv); where neither exists, a dataset
            on the Hub, "owner/name" or "owner/name/folder".
        split: only rows of this split; rows that name none belong to every split. None: all rows.
        strict: raise DataError at the first row that cannot be used instead of skipping it.
        revision: branch, tag or commit of a dataset on the Hub; None is the newest. It is settled to a commit
            here, which `SampleSet.revision` tells, and every iteration reads that one.
        confined: of a folder, use only files that lie in it; see `storage.Folder`.

    Errors: DataError, here or while iterating, also when no row is left.
    """
    path = Path(source).expanduser()
    if path.exists() and revision is not None:
        raise DataError(
            f"a revision belongs to a dataset on the Hub, and {source} lies here; "
            f"leave the revision {revision!r} out"
        )
    if path.is_file():
        if path.suffix not in BY_SUFFIX:
            raise DataError(f"expected a folder or a file {', '.join(BY_SUFFIX)}, got {source}")
        storage, layout = Folder(path.parent, confined), BY_SUFFIX[path.suffix]
        return SampleSet(str(source), split, strict, None, storage, layout, [path.name])
    if path.is_dir():
        storage = Folder(path, confined)
    else:
        storage = HubDataset.at(str(source), revision)
    with storage.translate_errors():
        layout, names = _layout_of(storage, str(source), split)
    return SampleSet(str(source), split, strict, getattr(storage, "revision", None), storage, layout, names)


def _layout_of(storage: Storage, source: str, split: str | None) -> tuple[Layout, list[str]]:
    """The first layout that `storage` has files of, and these files. Errors: DataError."""
    stem = "*" if split is None else glob.escape(split)
    expected = []
    for layout in LAYOUTS:
        patterns = [pattern.format(stem) for pattern in layout.patterns]
        if names := storage.find(*patterns):
            return layout, names
        expected += patterns
    below = storage.find("*/*.parquet", "*/*.jsonl", "*/*.json", "*/*.csv")
    folders = sorted({name.split("/")[0] for name in below} - {"data"})
    hint = f"; {', '.join(folders)} in it may be meant" if folders else ""
    raise DataError(
        f"expected a folder with one of {', '.join(expected)}, got {source}, which has none{hint}"
    )

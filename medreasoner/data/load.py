"""Reading sets of samples, from a folder here or from the Hub.

Is: every layout behind one iterable. A row that cannot be used is named, skipped and counted; with `strict` it stops the reading. Nothing
is held but the row that is read: parquet comes in parts, from the Hub too, and pictures in other layouts are fetched one by one.
Is not: a reader of pictures; a sample opens its own when asked.

What a folder, or a dataset on the Hub, may hold (SPLIT: its name; without one, every file that fits):
  samples.jsonl                                   the project's folder                 ours.py
  SPLIT.parquet, SPLIT-*.parquet, data/SPLIT-*    the published columns, ours, or both published.py, ours.py
  umrg_rl.json, SPLIT/umrg_rl.json                the published raw layout             published.py
  SPLIT.csv, metadata.csv                         a list of images, masks, questions   listing.py

    for sample in load("data/set", split="validation"): ...
    for sample in load("OWNER/NAME", split="test", revision="1f0c…"): ...
"""

import glob
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from medreasoner.data import listing, ours, published, rows
from medreasoner.data.digest import REPORT, Named
from medreasoner.data.rows import DataError, Folder, Place, Row, RowError
from medreasoner.data.sample import Sample
from medreasoner.json_files import read_json

__all__ = ["DataError", "SampleSet", "RowError", "Skipped", "load"]

HUB_ID = re.compile(r"(?P<name>\w[\w.-]*/[\w.-]+)(?P<under>(/[\w.-]+)*)")


@dataclass(frozen=True)
class Layout:
    """One way in which a set lies in files: which they are ({} stands for the split), how their rows are read, what a row means."""

    patterns: tuple[str, ...]
    read: Callable[[Place, list[str]], Iterator[Row]]
    sample: Callable[[Row, Place, str | None], Sample | None]


LAYOUTS = (
    Layout(("samples.jsonl",), rows.lines, ours.sample),
    Layout(("{}.parquet", "{}-*.parquet", "data/{}-*.parquet"), rows.records, published.sample),
    Layout(("umrg_rl.json", "{}/umrg_rl.json"), rows.entries, published.sample),
    Layout(("{}.csv",), rows.table, listing.sample),
    Layout(("metadata.csv",), rows.table, listing.sample),
)
FILES = {".jsonl": LAYOUTS[0], ".parquet": LAYOUTS[1], ".json": LAYOUTS[2], ".csv": LAYOUTS[3]}


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

    `revision` is the commit that is read, None for files that lie here.
    """

    source: str
    split: str | None
    strict: bool
    revision: str | None
    place: Place = field(repr=False)
    layout: Layout = field(repr=False)
    names: list[str] = field(repr=False)
    skipped: list[Skipped] = field(default_factory=list)

    def named(self) -> Named | None:
        """The set's name and version, None where it states none. Errors: DataError."""
        try:
            with self.place.asking():
                path = self.place.look(REPORT)
                return None if path is None else Named.read(read_json(path))
        except ValueError as error:
            raise DataError(f"{self.source}: {error}; mend or delete it") from error

    def __iter__(self) -> Iterator[Sample]:
        self.skipped = []
        seen: set[str] = set()
        with self.place.asking():
            for row in self.layout.read(self.place, self.names):
                try:
                    sample = self.layout.sample(row, self.place, self.split)
                    if sample is None:  # of another split
                        continue
                    if sample.id in seen:
                        raise RowError(f"the id {sample.id!r} has come before")
                except RowError as error:
                    skipped = Skipped(row.file, row.number, str(error))
                    if self.strict:
                        raise DataError(str(skipped)) from error
                    self.skipped.append(skipped)
                    continue
                seen.add(sample.id)
                yield sample
        if not seen:
            wanted = f" of split {self.split!r}" if self.split else ""
            why = (
                f"; {len(self.skipped)} rows were skipped, the first is {self.skipped[0]}"
                if self.skipped
                else ""
            )
            raise DataError(f"{self.source} holds no usable sample{wanted}{why}")


def load(
    source: str | Path, split: str | None = None, strict: bool = False, revision: str | None = None
) -> SampleSet:
    """The samples of a set, lazily, with all coordinates in pixels of the original images.

    Args:
        source: a folder or one of its files (.parquet, .jsonl, .json, .csv); where there is neither, a dataset on the Hub, "owner/name" or
            "owner/name/folder".
        split: only rows of this split; rows that name none belong to every split. None: all rows.
        strict: raise DataError at the first row that cannot be used instead of skipping it.
        revision: branch, tag or commit of a dataset on the Hub; None is the newest. It is settled to a commit here, which `SampleSet.revision`
            tells, and every iteration reads that one.

    Errors: DataError, here or while iterating, also when no row is left.
    """
    path = Path(source).expanduser()
    if path.exists() and revision is not None:
        raise DataError(
            f"a revision belongs to a dataset on the Hub, and {source} lies here; leave the revision {revision!r} out"
        )
    if path.is_file():
        if path.suffix not in FILES:
            raise DataError(f"expected a folder or a file {', '.join(FILES)}, got {source}")
        return SampleSet(
            str(source), split, strict, None, Folder(path.parent), FILES[path.suffix], [path.name]
        )
    place = Folder(path) if path.is_dir() else _repository(str(source), revision)
    with place.asking():
        layout, names = _layout(place, str(source), split)
    return SampleSet(str(source), split, strict, getattr(place, "revision", None), place, layout, names)


def _layout(place: Place, source: str, split: str | None) -> tuple[Layout, list[str]]:
    """The first layout that `place` has files of, and these files."""
    stem = "*" if split is None else glob.escape(split)
    expected = []
    for layout in LAYOUTS:
        patterns = [pattern.format(stem) for pattern in layout.patterns]
        if names := place.find(*patterns):
            return layout, names
        expected += patterns
    below = [
        name
        for name in place.find("*/*.parquet", "*/*.jsonl", "*/*.json", "*/*.csv")
        if not name.startswith("data/")
    ]
    hint = (
        f"; {', '.join(sorted({name.split('/')[0] for name in below}))} in it may be meant" if below else ""
    )
    raise DataError(
        f"expected a folder with one of {', '.join(expected)}, got {source}, which has none{hint}"
    )


# --- the Hub ---


@dataclass(frozen=True)
class Repository:
    """A place on the Hub: the folder `under` of a dataset at one commit. Parquet is read in parts over the network; the files of other
    layouts are fetched one by one into the Hub's cache."""

    name: str
    under: str
    revision: str

    def find(self, *patterns: str) -> list[str]:
        root = f"datasets/{self.name}@{self.revision}{self.under}/"
        return sorted(
            {name.removeprefix(root) for pattern in patterns for name in self._files().glob(root + pattern)}
        )

    def look(self, *names: str) -> Path | None:
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import RemoteEntryNotFoundError

        for name in names:
            whole = f"{self.under}/{name}".lstrip("/")
            try:
                return Path(hf_hub_download(self.name, whole, repo_type="dataset", revision=self.revision))
            except RemoteEntryNotFoundError:
                continue
        return None

    def open(self, name: str) -> BinaryIO:
        # the reader asks for large parts already, and jumps between columns: reading ahead would fetch what is not wanted
        return self._files().open(
            f"datasets/{self.name}@{self.revision}{self.under}/{name}", "rb", cache_type="none"
        )

    @contextmanager
    def asking(self) -> Iterator[None]:
        with _asking(self.name, self.revision):
            yield

    def _files(self):
        from huggingface_hub import HfFileSystem

        return HfFileSystem()


def _repository(source: str, revision: str | None) -> Repository:
    """The dataset `source` at the commit that `revision` is now."""
    found = HUB_ID.fullmatch(source.rstrip("/"))
    if not found:
        raise DataError(
            f"there is no file or folder {source}, and it is no id of a dataset on the Hub either; expected 'owner/name'"
        )
    from huggingface_hub import HfApi

    with _asking(found["name"], revision):
        commit = HfApi().dataset_info(found["name"], revision=revision).sha
    return Repository(found["name"], found["under"], commit)


@contextmanager
def _asking(name: str, revision: str | None) -> Iterator[None]:
    from medreasoner.hub.errors import HubError, asking

    try:
        with asking(f"read the dataset {name}", name, revision):
            yield
    except HubError as error:
        raise DataError(str(error)) from error

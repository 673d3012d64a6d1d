"""Where the files of a set lie: what a storage offers, and a folder on this machine.

Datasets on the Hub are in `hub_dataset.py`.
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from medreasoner.messages import cut


class DataError(ValueError):
    """A set, or with `strict` one of its rows, cannot be read; the message says what came and what to do."""


class RowError(ValueError):
    """One row cannot be used; the message is the reason."""


class Storage(Protocol):
    """The files of a set. Names are relative to it, with forward slashes."""

    def find(self, *patterns: str) -> list[str]:
        """The names that match any of these glob patterns, sorted."""
        ...

    def first_existing(self, *names: str) -> Path | None:
        """The first of these files that exists, on this machine (fetched if need be).

        Errors: RowError if it may not be read.
        """
        ...

    def open(self, name: str) -> BinaryIO:
        """A file that is read in parts."""
        ...

    def translate_errors(self) -> AbstractContextManager[None]:
        """A context that turns failures of the storage itself into DataError."""
        ...


@dataclass(frozen=True)
class Folder:
    """A folder on this machine.

    Args:
        confined: refuse files that lie outside of it, be it by "../", an absolute path or a symbolic link;
            for sets that are about to be published.
    """

    path: Path
    confined: bool = False

    def find(self, *patterns: str) -> list[str]:
        """See `Storage`."""
        found = {path for pattern in patterns for path in self.path.glob(pattern) if path.is_file()}
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def first_existing(self, *names: str) -> Path | None:
        """See `Storage`."""
        for name in names:
            path = self.path / name
            if os.path.isfile(path):  # unlike Path.is_file, never raises
                if self.confined and leads_outside(path, self.path):
                    raise RowError(f"{cut(name)} leads out of the folder {self.path}; copy the file into it")
                return path
        return None

    def open(self, name: str) -> BinaryIO:
        """See `Storage`."""
        return (self.path / name).open("rb")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """See `Storage`."""
        try:
            yield
        except OSError as error:
            raise DataError(
                f"{self.path} cannot be read ({error}); look at its files and their permissions"
            ) from error


def leads_outside(path: Path, folder: Path) -> bool:
    """Whether `path`, with its links followed, lies outside of `folder`."""
    return not path.resolve().is_relative_to(folder.resolve())

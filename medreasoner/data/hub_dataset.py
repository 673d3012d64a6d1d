"""A dataset on the Hub as the storage of a set; parquet is read in parts over the network."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from medreasoner.data.storage import DataError

if TYPE_CHECKING:
    from huggingface_hub import HfFileSystem

HUB_ID = re.compile(r"(?P<name>\w[\w.-]*/[\w.-]+)(?P<under>(/[\w.-]+)*)")


@dataclass(frozen=True)
class HubDataset:
    """The folder `under` of the dataset `name`, "owner/name", at a commit; see `storage.Storage`.

    Files that are not parquet are fetched into the Hub's cache.
    """

    name: str
    under: str
    revision: str

    @staticmethod
    def at(source: str, revision: str | None) -> "HubDataset":
        """The dataset `source`, "owner/name" or "owner/name/folder", at the commit that `revision` is now.

        Errors: DataError.
        """
        found = HUB_ID.fullmatch(source.rstrip("/"))
        if not found:
            raise DataError(
                f"there is no file or folder {source}, and it is no id of a dataset on the Hub either; "
                "expected 'owner/name'"
            )
        from huggingface_hub import HfApi

        with _translate_errors(found["name"], revision):
            commit = HfApi().dataset_info(found["name"], revision=revision).sha
        return HubDataset(found["name"], found["under"], commit)

    @property
    def _root(self) -> str:
        return f"datasets/{self.name}@{self.revision}{self.under}/"

    def find(self, *patterns: str) -> list[str]:
        """See `Storage`."""
        files = _file_system()
        return sorted(
            {
                name.removeprefix(self._root)
                for pattern in patterns
                for name in files.glob(self._root + pattern)
            }
        )

    def first_existing(self, *names: str) -> Path | None:
        """See `Storage`."""
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
        """See `Storage`."""
        # The parquet reader asks for large parts and jumps between columns: reading ahead fetches too much.
        return _file_system().open(self._root + name, "rb", cache_type="none")

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """See `Storage`."""
        with _translate_errors(self.name, self.revision):
            yield


def _file_system() -> "HfFileSystem":
    from huggingface_hub import HfFileSystem

    return HfFileSystem()


@contextmanager
def _translate_errors(name: str, revision: str | None) -> Iterator[None]:
    from medreasoner.hub.errors import HubError, asking

    try:
        with asking(f"read the dataset {name}", name, revision):
            yield
    except HubError as error:
        raise DataError(str(error)) from error

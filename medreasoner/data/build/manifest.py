"""The manifest of a source, manifest.jsonl: one image with its class mask a line, checked before any work.

A line is an object with `id`, `image`, `mask` (paths from the manifest's folder), `modality`, and `targets`
[{"index": mask value, "name": class}]; `dataset`, `case`, `split`, `licence`, `source`, `spacing_mm` where
known. A class may have several mask values and a mask value several classes, for structures that overlap. A
line with `refused` instead of an image gives the reason why there is none; `volumes.py` writes such lines.
"""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medreasoner.data.build.source_files import UNKNOWN, Options, SourceError
from medreasoner.data.storage import RowError, leads_outside
from medreasoner.data.values import as_list, as_object, name_of, numbers_of, optional_name_of, text_of
from medreasoner.messages import cut, short


@dataclass(frozen=True)
class Item:
    """One image with its class mask.

    `classes` are (mask value, name); a mask holds 0 for background and these values.
    """

    id: str
    dataset: str
    image: Path
    mask: Path
    modality: str
    classes: tuple[tuple[int, str], ...]
    case: str
    split: str
    licence: str
    source: str
    spacing_mm: tuple[float, float] | None = None

    @property
    def stem(self) -> str:
        """The name of its files, without a suffix."""
        return self.id.replace("/", "_")


class Manifest:
    """The items of a manifest, read anew by every iteration: those kept for evaluation first, then by id.

    Only ids and positions in the file are in memory.

    Args:
        path: of the manifest. root: the folder its paths count from. options: for what it leaves open.

    Attributes:
        held_cases: cases of which at least one image is kept for evaluation. digest: of the file's bytes.

    Errors: SourceError naming the row.
    """

    def __init__(self, path: Path, root: Path, options: Options) -> None:
        self.path, self.root, self.options = path, root, options
        self.held_cases: set[str] = set()
        self._index: list[tuple[bool, str, int, int]] = []  # (for training, id, offset, row)
        self._first_refusal = ""
        self.digest = self._read_index()
        if not self._index:
            raise SourceError(f"{path} names no image{self._first_refusal and f'; {self._first_refusal}'}")
        self._index.sort()

    def _read_index(self) -> str:
        digest, stems, offset = hashlib.sha256(), set(), 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                digest.update(line)
                if line.strip():
                    self._add(line, number, offset, stems)
                offset += len(line)
        return digest.hexdigest()

    def _add(self, line: bytes, number: int, offset: int, stems: set[str]) -> None:
        row = self._decoded(line, number)
        if "refused" in row:
            self._first_refusal = self._first_refusal or cut(str(row["refused"]))
            return
        item = self._item(row, line, number)
        if item.stem in stems:
            raise SourceError(
                f"{self.path.name}, row {number}: the id {short(item.id)} has come before; "
                "give each image its own"
            )
        stems.add(item.stem)
        self._index.append((item.split == "train", item.id, offset, number))
        if item.split != "train":
            self.held_cases.add(item.case)

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Item]:
        with self.path.open("rb") as file:
            for _, _, offset, number in self._index:
                file.seek(offset)
                line = file.readline()
                yield self._item(self._decoded(line, number), line, number)

    def _decoded(self, line: bytes, number: int) -> dict:
        try:
            return as_object(line.decode(errors="replace"))
        except RowError as error:
            raise self._malformed(line, number, error) from error

    def _malformed(self, line: bytes, number: int, why: RowError) -> SourceError:
        return SourceError(
            f"{self.path.name}, row {number}: expected id, image, mask, and targets with index and name "
            f"({why} in {line[:80]!r})"
        )

    def _item(self, row: dict, line: bytes, number: int) -> Item:
        try:
            item = self._made(row)
        except RowError as error:
            raise self._malformed(line, number, error) from error
        where = f"{self.path.name}, row {number}"
        if not item.modality:
            raise SourceError(f"{where}: {short(item.id)} has no modality; say it there or with --modality")
        for path in (item.image, item.mask):
            if not os.path.isfile(path):  # unlike Path.is_file, never raises
                raise SourceError(f"{where}: there is no file {cut(str(path))}")
            if leads_outside(path, self.root):
                raise SourceError(f"{where}: {path} leads out of {self.root}; copy the file into the folder")
        return item

    def _made(self, row: dict) -> Item:
        """Errors: RowError."""
        name = name_of(row, "id")
        case, split = optional_name_of(row, "case") or name, optional_name_of(row, "split")
        spacing = row.get("spacing_mm")
        return Item(
            id=name,
            dataset=optional_name_of(row, "dataset") or self.root.resolve().name,
            image=self.root / text_of(row, "image"),
            mask=self.root / text_of(row, "mask"),
            modality=optional_name_of(row, "modality") or self.options.modality,
            classes=tuple(_class_of(target) for target in as_list(row.get("targets"), "targets")),
            case=case,
            split=split or split_of(case, self.options.validation, self.options.seed),
            licence=row.get("licence") or self.options.licence,
            source=row.get("source") or UNKNOWN,
            spacing_mm=numbers_of(spacing, 2, "spacing_mm") if spacing else None,
        )


def _class_of(target: object) -> tuple[int, str]:
    """(mask value, class name). Errors: RowError."""
    fields = as_object(target, "a target")
    index = fields.get("index")
    if not str(index).isdecimal():
        raise RowError(f"the index of a target must be a whole number of at least 0, got {short(index)}")
    return int(index), name_of(fields, "name")


def split_of(case: str, validation: float, seed: int = 0) -> str:
    """ "validation" for about that share of the cases, else "train"; all images of a case go one way."""
    drawn = int.from_bytes(hashlib.sha256(f"{seed}/{case}".encode()).digest()[:8]) / 2**64
    return "validation" if drawn < validation else "train"

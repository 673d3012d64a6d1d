"""How a source's folder is laid out: where images and masks lie, and what is told of them beside them.

Is: the folders, `metadata.csv`, and class names as one types them. Is not: a reader of pictures (`source.py`) or volumes (`volumes.py`).
"""

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = (("images", "masks"), ("images", "labels"), ("imagesTr", "labelsTr"))
UNKNOWN = "not stated"


class SourceError(ValueError):
    """A source cannot be used; the message names the file, and says what was expected, what came and what to do."""


@dataclass(frozen=True)
class Options:
    """What a source may leave open: `labels` mask value -> class name, `validation` the share of cases, `window` of volumes as `shades.py`
    has them."""

    labels: dict[int, str] = field(default_factory=dict)
    modality: str = ""
    licence: str = UNKNOWN
    validation: float = 0.15
    window: str | None = None
    seed: int = 0


def read_labels(text: str) -> dict[int, str]:
    """"1=spleen; 2=liver" as {1: "spleen", 2: "liver"}. Errors: SourceError."""
    pairs = [re.fullmatch(r"\s*(\d+)\s*=\s*(.*\S)\s*", part) for part in re.split(r"[;,]", text) if part.strip()]
    if not pairs or not all(pairs):
        raise SourceError(f'class names are written "1=spleen; 2=liver", got {text!r}')
    return {int(pair[1]): pair[2] for pair in pairs}


def pair_of_folders(source: Path) -> tuple[Path, Path]:
    """The folders of images and masks. Errors: SourceError."""
    for images, masks in FOLDERS:
        if (source / images).is_dir() and (source / masks).is_dir():
            return source / images, source / masks
    came = "it has neither" if source.is_dir() else "it is no folder"
    raise SourceError(f"{source}: expected manifest.jsonl, or the folders images and masks (or imagesTr and labelsTr); {came}")


def read_table(source: Path) -> list[dict]:
    """The rows of `source/metadata.csv`, stripped, without empty cells; none if it is not there. Errors: SourceError."""
    path = source / "metadata.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [{key: text.strip() for key, text in row.items() if key and text and text.strip()} for row in csv.DictReader(file)]
    for number, row in enumerate(rows, 2):
        if "image" not in row:
            raise SourceError(f"{path.name}, row {number}: expected the name of a file in the column `image`, got {row}")
    return rows

"""The files and options of a source: folders of images and masks, `metadata.csv`, class names."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

FOLDERS = (("images", "masks"), ("images", "labels"), ("imagesTr", "labelsTr"))
UNKNOWN = "not stated"


class SourceError(ValueError):
    """A source cannot be used; the message names the file, and what was expected, what came, what to do."""


@dataclass(frozen=True)
class Options:
    """What a source may leave open.

    Args:
        labels: mask value -> class name. modality, licence: of the images.
        validation: share of the cases that are kept for validation.
        window: of volumes, LEVEL/WIDTH or a preset of `imaging.windowing`.
        seed: of the split.
    """

    labels: dict[int, str] = field(default_factory=dict)
    modality: str = ""
    licence: str = UNKNOWN
    validation: float = 0.15
    window: str | None = None
    seed: int = 0


def read_labels(text: str) -> dict[int, str]:
    """Class names by mask value: {1: "spleen", 2: "liver"} from "1=spleen; 2=liver". Errors: SourceError."""
    pairs = [part.partition("=") for part in text.replace(",", ";").split(";") if part.strip()]
    labels = {value.strip(): name.strip() for value, _, name in pairs}
    if not labels or not all(value.isascii() and value.isdigit() and name for value, name in labels.items()):
        raise SourceError(f'class names are written "1=spleen; 2=liver", got {text[:200]!r}')
    return {int(value): name for value, name in labels.items()}


def image_and_mask_folders(source: Path) -> tuple[Path, Path]:
    """The folders of images and masks. Errors: SourceError."""
    for images, masks in FOLDERS:
        if (source / images).is_dir() and (source / masks).is_dir():
            return source / images, source / masks
    came = "it has neither" if source.is_dir() else "it is no folder"
    raise SourceError(
        f"{source}: expected manifest.jsonl, or the folders images and masks (or imagesTr and labelsTr); "
        f"{came}"
    )


def read_metadata(source: Path) -> list[dict]:
    """The rows of `source/metadata.csv`, stripped, without blank cells; none if there is no such file.

    Errors: SourceError.
    """
    path = source / "metadata.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [
            {key: text.strip() for key, text in row.items() if key and text and text.strip()}
            for row in csv.DictReader(file)
        ]
    for number, row in enumerate(rows, 2):
        if "image" not in row:
            raise SourceError(
                f"{path.name}, row {number}: expected the name of a file in the column `image`, got {row}"
            )
    return rows

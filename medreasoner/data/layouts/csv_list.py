"""A folder of images and masks with a CSV that lists them.

Columns, by any of the names in COLUMNS, in any order and case: `image`, `question` and, where known, the
others. Files are looked for beside the CSV, images also in images/, masks in masks/, by default under the
image's name.

A folder without questions is not read here; `medreasoner data build` writes questions for it.
"""

import posixpath

from medreasoner.data.layouts.project import in_split, make_sample
from medreasoner.data.rows import Row
from medreasoner.data.sample import Sample
from medreasoner.data.storage import RowError, Storage
from medreasoner.data.values import existing_file
from medreasoner.messages import cut

COLUMNS = {
    "image": ("image", "image_path", "file", "file_name", "filename"),
    "mask": ("mask", "mask_path"),
    "id": ("id",),
    "question": ("question", "query", "prompt"),
    "modality": ("modality", "modal"),
    "category": ("category", "label", "target"),
    "supercategory": ("supercategory",),
    "case": ("case", "patient", "patient_id", "study"),
    "split": ("split",),
    "think": ("think",),
}


def read_sample(row: Row, storage: Storage, split: str | None) -> Sample | None:
    """The sample of one row, None if it is of another split. Errors: RowError."""
    cells = row.value
    if None in cells:
        raise RowError("it has more cells than the header has columns")
    fields = {field: _cell(cells, names) for field, names in COLUMNS.items()}
    if fields["image"] is None:
        expected = " or ".join(COLUMNS["image"])
        raise RowError(
            f"it has no image; expected one in a column {expected}, the columns are {cut(', '.join(cells))}"
        )
    if not in_split(fields, split):
        return None
    if fields["question"] is None:
        raise RowError(
            "it has no question; `python -m medreasoner data build` writes questions for images with masks"
        )
    stem = posixpath.splitext(fields["image"])[0]
    defaults = {
        "id": posixpath.splitext(fields["mask"] or fields["image"])[0],
        "modality": "unknown",
        "category": "unknown",
        "case": stem,
    }
    stated = {key: cell for key, cell in fields.items() if cell}
    return make_sample({**defaults, **stated, **_files(row, fields, storage)}, storage)


def _cell(cells: dict[str, str | None], names: tuple[str, ...]) -> str | None:
    """The first of these columns that is not blank."""
    return next((cell.strip() for name in names if (cell := cells.get(name)) and cell.strip()), None)


def _files(row: Row, fields: dict[str, str | None], storage: Storage) -> dict:
    near, name = posixpath.dirname(row.file), fields["image"]
    base = posixpath.basename(name)
    defaults = [f"masks/{base}", f"masks/{posixpath.splitext(base)[0]}.png"]
    masks = [fields["mask"]] if fields["mask"] else defaults
    return {
        "image": existing_file(storage, *(posixpath.join(near, folder, name) for folder in ("", "images"))),
        "mask": existing_file(
            storage, *(posixpath.join(near, folder, mask) for mask in masks for folder in ("", "masks"))
        ),
    }

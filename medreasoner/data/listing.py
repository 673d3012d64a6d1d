"""A plain folder of images and masks with a CSV that lists them.

Is: one row of the CSV -> a Sample. Columns, by any of these names, in any order and case: `image` (image_path, file, file_name,
filename), `question` (query, prompt) and, where known, `mask` (mask_path), `id`, `modality` (modal), `category` (label, target),
`supercategory`, `case` (patient, patient_id, study), `split`, `think`. Files are looked for beside the CSV, images also in images/, masks
in masks/, by default under the image's name.
Is not: a source without questions; `python -m medreasoner data build` writes them.
"""

import posixpath

from medreasoner.data import ours, rows
from medreasoner.data.rows import Place, Row, RowError
from medreasoner.data.sample import Sample

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


def sample(row: Row, place: Place, split: str | None) -> Sample | None:
    """The sample of one row, None if it is of another split. Errors: RowError."""
    cells = row.value
    if None in cells:
        raise RowError("it has more cells than the header has columns")
    value = {}
    for field, names in COLUMNS.items():
        value[field] = next(
            (cell.strip() for name in names if (cell := cells.get(name)) and cell.strip()), None
        )
    if value["image"] is None:
        raise RowError(
            f"it has no image; expected one in a column {' or '.join(COLUMNS['image'])}, the columns are {', '.join(cells)}"
        )
    if not ours.of_split(value, split):
        return None
    if value["question"] is None:
        raise RowError(
            "it has no question; `python -m medreasoner data build` writes questions for images with masks"
        )
    near, name = posixpath.dirname(row.file), value["image"]
    stem = posixpath.splitext(name)[0]
    masks = (
        [value["mask"]]
        if value["mask"]
        else [f"masks/{posixpath.basename(name)}", f"masks/{posixpath.basename(stem)}.png"]
    )
    image = rows.file(place, *(posixpath.join(near, folder, name) for folder in ("", "images")))
    mask = rows.file(
        place, *(posixpath.join(near, folder, each) for each in masks for folder in ("", "masks"))
    )
    told = {
        "id": posixpath.splitext(value["mask"] or name)[0],
        "modality": "unknown",
        "category": "unknown",
        "case": stem,
    }
    return ours.made(
        {**told, **{key: cell for key, cell in value.items() if cell}, "image": image, "mask": mask}, place
    )

"""Folders of pictures as a source: SOURCE/images/NAME.* with class masks SOURCE/masks/NAME.*."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from medreasoner.data.build.source_files import (
    Options,
    SourceError,
    image_and_mask_folders,
    read_labels,
    read_metadata,
)
from medreasoner.imaging.mask_file import MaskError, read_mask_image

WHITE = 255  # in masks of black and white
STATED = ("case", "modality", "split", "licence", "source", "dataset")  # columns that go into the manifest


def picture_rows(source: Path, options: Options) -> Iterator[dict]:
    """The rows of a manifest for a folder of pictures. Errors: SourceError."""
    images, masks = image_and_mask_folders(source)
    rows = read_metadata(source) or [
        {"image": path.name}
        for path in sorted(images.iterdir())
        if path.is_file() and not path.name.startswith(".")
    ]
    by_stem: dict[str, list[Path]] = {}
    for path in sorted(masks.iterdir()):
        by_stem.setdefault(path.stem, []).append(path)
    for row in rows:
        image = images / row["image"]
        found = [masks / row["mask"]] if row.get("mask") else by_stem.get(image.stem, [])
        if len(found) != 1:
            raise SourceError(
                f"{image.name}: expected one mask {image.stem}.* in {masks.name}, found {len(found)}"
            )
        labels = read_labels(row["labels"]) if row.get("labels") else options.labels
        if not labels:
            raise SourceError(
                f'{image.name}: its classes have no names; give --labels "1=spleen; 2=liver", '
                "or `labels` in metadata.csv"
            )
        yield {
            "id": image.stem,
            "image": str(image.relative_to(source)),
            "mask": str(found[0].relative_to(source)),
            "targets": [{"index": value, "name": name} for value, name in labels.items()],
            **{key: row[key] for key in STATED if key in row},
        }


def read_class_mask(path: Path, classes: Iterable[int]) -> np.ndarray:
    """The class values (H, W) of a mask; in a mask of 0 and 255 the 255 is the one class.

    Errors: SourceError.
    """
    try:
        image = read_mask_image(path)
    except MaskError as error:
        raise SourceError(f"the mask is no readable picture ({error})") from error
    values = np.asarray(image)
    if values.ndim > len(image.size):
        if (values[..., :1] != values[..., :3]).any():
            raise SourceError("the mask has colours; expected class values in one channel")
        values = values[..., 0]
    only = list(classes)
    if len(only) == 1 and only[0] != WHITE and set(np.unique(values)) <= {0, WHITE}:
        return np.where(values == WHITE, only[0], 0)
    return values

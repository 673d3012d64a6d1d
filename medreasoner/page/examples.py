"""The examples offered on the page: a folder with `examples.json` and the images it names.

`examples.json` is a list of {"image", "question", "modality", "source", "licence"} and, where the true
outline is known, "mask"; `image` and `mask` are paths inside the folder.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.imaging import ImageError

FOLDER = Path(__file__).parents[1] / "examples"


@dataclass(frozen=True)
class Example:
    """An image to open with a click. `source` and `licence` are shown with it; `mask` is the expert's
    outline, if there is one."""

    image: Path
    question: str
    modality: str
    source: str
    licence: str
    mask: Path | None = None

    @property
    def credit(self) -> str:
        return f"{self.modality}, {self.source}, {self.licence}"


def load_examples(folder: Path = FOLDER) -> list[Example]:
    """The examples of `folder`; [] without an examples.json. Errors: ValueError if an entry lacks a key or
    names a missing file."""
    listing = folder / "examples.json"
    if not listing.exists():
        return []
    examples = []
    for number, entry in enumerate(json.loads(listing.read_text(encoding="utf-8"))):
        keys = {"image", "question", "modality", "source", "licence"}
        if set(entry) - {"mask"} != keys:
            raise ValueError(
                f"{listing}, entry {number}: expected the keys {sorted(keys)} and perhaps mask, "
                f"got {sorted(entry)}"
            )
        files = {kind: folder / entry[kind] for kind in ("image", "mask") if kind in entry}
        for kind, path in files.items():
            if not path.is_file():
                raise ValueError(f"{listing}, entry {number}: there is no {kind} {path}")
        examples.append(Example(**{**entry, **files}))
    return examples


def read_truth(path: Path, image_wh: tuple[int, int]) -> np.ndarray:
    """The mask in `path`, (H, W) bool, set where the file is not black. Errors: ImageError if it does not fit
    its image."""
    with Image.open(path) as file:
        mask = np.asarray(file.convert("L")) > 0
    if mask.shape != image_wh[::-1]:
        height, width = mask.shape
        raise ImageError(
            f"The mask {path.name} has {width} x {height} pixels, its image {image_wh[0]} x {image_wh[1]}."
        )
    return mask

"""A source for `data build` of pictures that are no medical image: what `not_medical_pictures.py` draws.

A model that is only ever shown medical images finds a lesion in anything. The right answer to a clinical
question about these is that there is nothing to mark. Every picture follows from its seed alone. Where
matplotlib is installed, the photograph that it ships (Grace Hopper, US Navy, public domain) is kept for
validation: no photograph is in training.

    python -m medreasoner data draw runs/not_medical_source
    python -m medreasoner data build runs/not_medical_source --out runs/not_medical
"""

import importlib.util
import json
import random
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from medreasoner.data.build.not_medical_pictures import KINDS

MODALITY = "No medical image"
PREFIX = "drawn_"  # of the datasets, one for each kind of picture; see `data/scenes/not_medical.yaml`
HELD = 4  # one picture in so many is kept for validation


def photographs() -> Iterator[Image.Image]:
    """Parts of the photograph that matplotlib ships: the whole and its two halves; none without it."""
    found = importlib.util.find_spec("matplotlib")
    path = found and Path(found.origin).parent / "mpl-data/sample_data/grace_hopper.jpg"
    if path and path.is_file():
        whole = Image.open(path).convert("RGB")
        width, height = whole.size
        for box in ((0, 0, width, height), (0, 0, width, height // 2), (0, height // 2, width, height)):
            yield whole.crop(box)


def draw_source(folder: Path, number: int = 20, seed: int = 0) -> int:
    """Write a source as `data build` reads it, `number` pictures of each kind; returns how many there are."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows = []
    for kind, draw in KINDS.items():
        for n in range(number):
            split = "train" if n % HELD else "validation"
            picture = draw(random.Random(f"{seed}/{kind}/{n}"))
            rows.append(_write(folder, picture, kind, n, split, ("CC0", "drawn by medreasoner")))
    photograph = ("public domain", "US Navy photograph of Grace Hopper, as shipped with matplotlib")
    for n, picture in enumerate(photographs()):
        rows.append(_write(folder, picture, "photograph", n, "validation", photograph))
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "manifest.jsonl").write_text(text, encoding="utf-8")
    return len(rows)


def _write(
    folder: Path, picture: Image.Image, kind: str, n: int, split: str, origin: tuple[str, str]
) -> dict:
    """Write one picture with its mask, which is empty; returns its row of the manifest."""
    name = f"{kind}_{n:03}"
    picture.save(folder / f"images/{name}.png")
    Image.new("L", picture.size).save(folder / f"masks/{name}.png")
    row = {"id": f"{PREFIX}{kind}/{n:03}", "image": f"images/{name}.png", "mask": f"masks/{name}.png"}
    row |= {"dataset": PREFIX + kind, "case": f"{PREFIX}{kind}/{n:03}", "modality": MODALITY, "targets": []}
    licence, source = origin
    return row | {"split": split, "licence": licence, "source": source}

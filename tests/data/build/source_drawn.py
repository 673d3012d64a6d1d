"""A source of images with one target each, drawn here, and a set built from it."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from medreasoner.data.build.builder import Builder
from medreasoner.data.build.source_files import Options
from medreasoner.data.build.sources import open_source


def disc(wh: tuple[int, int], centre: tuple[int, int], radius: int) -> np.ndarray:
    y, x = np.mgrid[: wh[1], : wh[0]]
    return (x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius**2


def source(folder, rows):
    """Write a source of one-target images: rows of (id, dataset, target, split, centre, radius)."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    noise = np.random.default_rng(0)
    with open(folder / "manifest.jsonl", "w") as file:
        for name, dataset, target, split, centre, radius in rows:
            mask = disc((200, 150), centre, radius)
            texture = ndimage.gaussian_filter(noise.normal(0, 1, (150, 200)), 12)  # smooth, as anatomy is
            shade = (80 + 30 * texture / texture.std()).clip(0, 150).astype(np.uint8)
            shade[mask] = 220
            Image.fromarray(shade).convert("RGB").save(folder / f"images/{name}.png")
            Image.fromarray(mask.astype(np.uint8)).save(folder / f"masks/{name}.png")
            row = {
                "id": f"{dataset}/{name}",
                "dataset": dataset,
                "image": f"images/{name}.png",
                "mask": f"masks/{name}.png",
                "split": split,
                "modality": "Endoscopy",
                "targets": [{"index": 1, "name": target}],
                "case": name,
                "licence": "CC0",
                "source": "drawn",
            }
            file.write(json.dumps(row) + "\n")


def build(folder: Path, out: Path, **options) -> dict:
    return Builder(open_source(folder, out, Options()), out, **options).run()


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(folder: Path, **changes: dict) -> None:
    """Change rows of a manifest, by the last part of their ids."""
    rows = [row | changes.get(row["id"].split("/")[1], {}) for row in lines(folder / "manifest.jsonl")]
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


ROWS = [
    ("a", "own", "colorectal polyp", "validation", (50, 40), 20),
    ("b", "own", "colorectal polyp", "train", (150, 100), 25),
    ("c", "own", "colorectal polyp", "train", (100, 75), 2),
    ("d", "mammo_mias", "mass", "train", (100, 75), 30),
]

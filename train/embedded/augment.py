"""Turned, scaled and re-lit copies of a source's training images, as a source of their own.

    python -m train.embedded.augment ../shared/data/real --built runs/data --out runs/augmented_source
    medreasoner data build runs/augmented_source --out runs/augmented

Only images that the built set holds for training are copied, so what was left out as a near-copy of a
validation image stays out; a copy keeps its case, so what is held back stays held back. Boxes, points and
reasonings are measured anew by the build. The trainer's own windows and mirror images
(`train/embedded/views.py`) are made from cached features and can neither turn an image nor change its greys.
"""

import argparse
import json
import math
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

SCARCE = ("CT", "MRI", "OCT", "OCT angiography", "Fundus")  # copied by default
TURN, ZOOM, GAMMA = 12.0, (0.95, 1.5), 1.5  # degrees to either side; enlargement; at most, and its inverse
SMALLEST = 12  # pixels: what is left of a target by the edge of the copy must have as many


def transform(wh: tuple[int, int], rng: random.Random) -> tuple[float, ...]:
    """PIL's six affine numbers, from a pixel of the copy to one of the image (width, height)."""
    width, height = wh
    angle, zoom = math.radians(rng.uniform(-TURN, TURN)), rng.uniform(*ZOOM)
    a, b = math.cos(angle) / zoom, math.sin(angle) / zoom
    slack_x, slack_y = (max(0.0, side - side / zoom) / 2 for side in (width, height))
    x, y = width / 2 + rng.uniform(-slack_x, slack_x), height / 2 + rng.uniform(-slack_y, slack_y)
    return (a, b, x - a * width / 2 - b * height / 2, -b, a, y + b * width / 2 - a * height / 2)


def relit(image: Image.Image, rng: random.Random) -> Image.Image:
    """With another gamma."""
    gamma = GAMMA ** rng.uniform(-1, 1)
    table = [round(255 * (value / 255) ** gamma) for value in range(256)]
    return image.point(table * len(image.getbands()))


def copies(row: dict, source: Path, out: Path, count: int) -> Iterator[dict]:
    """Up to `count` copies of one row of the manifest, each drawn by its own name alone; a copy that shows no
    target is left out.
    """
    image = Image.open(source / row["image"])
    image = image if image.mode in ("L", "RGB") else image.convert("RGB")
    mask = Image.open(source / row["mask"])
    for number in range(count):
        name = f"{row['id']}-copy-{number}"
        rng = random.Random(name)
        moved = transform(image.size, rng)
        new_mask = mask.transform(image.size, Image.Transform.AFFINE, moved, Image.Resampling.NEAREST)
        values, areas = np.unique(np.asarray(new_mask), return_counts=True)
        left = {int(value) for value, area in zip(values, areas, strict=True) if area >= SMALLEST}
        targets = [target for target in row["targets"] if target["index"] in left]
        if not targets:
            continue
        new = image.transform(image.size, Image.Transform.AFFINE, moved, Image.Resampling.BICUBIC)
        paths = {"image": f"images/{name}.jpg", "mask": f"masks/{name}.png"}
        for path in paths.values():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
        relit(new, rng).save(out / paths["image"], quality=92)
        new_mask.save(out / paths["mask"])
        yield row | paths | {"id": name, "targets": targets}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="folder with manifest.jsonl")
    parser.add_argument("--built", type=Path, required=True, help="the set that was built from it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2, help="copies of an image")
    parser.add_argument("--modalities", nargs="+", default=SCARCE)
    args = parser.parse_args()
    built = map(json.loads, (args.built / "stages" / "1_regions.jsonl").read_text("utf-8").splitlines())
    taken = {line["id"] for line in built if line.get("image") and line["split"] == "train"}
    rows = map(json.loads, (args.source / "manifest.jsonl").read_text("utf-8").splitlines())
    chosen = [row for row in rows if row["id"] in taken and row["modality"] in args.modalities]
    args.out.mkdir(parents=True, exist_ok=True)
    with (args.out / "manifest.jsonl").open("w", encoding="utf-8") as manifest:
        for row in tqdm(chosen, desc="copies", mininterval=20):
            for copy in copies(row, args.source, args.out, args.count):
                manifest.write(json.dumps(copy) + "\n")


if __name__ == "__main__":
    main()

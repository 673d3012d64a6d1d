"""Augmented views of a built training set: other crops, mirrorings and exposures, written as a set of the
same format.

    python -m train.embedded.augment runs/data --out runs/views --per-set 140

The views are fixed files, so that their frozen features can be cached once (`train/embedded/features.py`).
Boxes, points and measured words are computed anew from the transformed masks.
"""

import argparse
import json
import random
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from medreasoner.data.build.writers.offline import measure
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import mask_to_box, mask_to_points
from train.embedded.conversations import GREY
from train.embedded.poses import MIRRORED, STANDARD, TURNED

VISIBLE = 0.85  # share of a target that must stay in the window
TRIES = 10  # windows that are drawn for a view until one keeps a target
LONG_SIDE = 512  # pixels of a view
UPRIGHT_SHARE = 0.5  # of the views of sets in STANDARD
MIRRORED_SHARE = 0.5  # of the views of sets in MIRRORED
UPSIDE_DOWN = 2  # quarter turns


def window(width: int, height: int, rng: random.Random) -> tuple[int, int, int, int]:
    """A crop window (x1, y1, x2, y2) of 0.6 to 1.15 of the image, its sides at most 15 % off the image's
    own ratio; may reach outside."""
    zoom, skew = rng.uniform(0.6, 1.15), rng.uniform(-0.14, 0.14)
    w, h = int(width * zoom * np.exp(skew / 2)), int(height * zoom * np.exp(-skew / 2))
    x = rng.uniform(min(0, width - w), max(0, width - w))
    y = rng.uniform(min(0, height - h), max(0, height - h))
    return int(x), int(y), int(x) + w, int(y) + h


@dataclass(frozen=True)
class Pose:
    """How a view is taken: a window (x1, y1, x2, y2) of the image, a transposition of STANDARD or None,
    mirrored or not, quarter turns."""

    crop: tuple[int, int, int, int]
    stand: Image.Transpose | None
    mirror: bool
    turns: int


def transform(image: Image.Image, pose: Pose) -> Image.Image:
    """The view of an image, or of a mask (mode "L", nearest neighbour), LONG_SIDE pixels long."""
    image = image.crop(pose.crop)
    scale = LONG_SIDE / max(image.size)
    kind = Image.Resampling.NEAREST if image.mode == "L" else Image.Resampling.BILINEAR
    image = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), kind)
    if pose.stand is not None:
        image = image.transpose(pose.stand)
    if pose.mirror:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image.rotate(90 * pose.turns, expand=True)


def expose(image: Image.Image, rng: random.Random) -> Image.Image:
    """The image with another brightness and contrast."""
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.8, 1.25))


def view(samples: list[dict], source: Path, out: Path, number: int, rng: random.Random) -> list[dict]:
    """Write one view of one image; returns the samples of the targets that stay in it, [] if no window of
    TRIES keeps any.

    Args:
        samples: all targets of the image, lines of `samples.jsonl` in `source`.
        number: of the view, for the names of its files.
    """
    image = Image.open(source / samples[0]["image"]).convert("RGB")
    masks = [Image.open(source / s["mask"]).convert("L") for s in samples]
    crop, visible = _crop(image, masks, rng)
    if not visible:
        return []
    dataset = samples[0]["dataset"]
    stand = STANDARD.get(dataset) if rng.random() < UPRIGHT_SHARE else None
    mirror = dataset in MIRRORED and rng.random() < MIRRORED_SHARE
    pose = Pose(crop, stand, mirror, rng.randrange(4) if dataset in TURNED else 0)
    lungs = any(s["category"].startswith("lung,") for s in samples)
    if lungs and len(visible) == 1:
        return []  # with one lung in view, "the left one" means nothing
    shown = expose(transform(image, pose), rng)
    name = f"images/{Path(samples[0]['image']).stem}_v{number}.jpg"
    (out / "images").mkdir(parents=True, exist_ok=True)
    shown.save(out / name, quality=93)
    grey = np.asarray(shown.convert("L"), np.float32)
    views = [_view_of_target(samples[i], masks[i], pose, grey, number, out) for i in visible]
    return [sample | {"image": name} for sample in views if sample is not None]


def _crop(
    image: Image.Image, masks: list[Image.Image], rng: random.Random
) -> tuple[tuple[int, int, int, int], list[int]]:
    """(window, indices of the masks that stay in it); no index if none does in any window."""
    sizes = [np.count_nonzero(m) for m in masks]
    for _ in range(TRIES):
        crop = window(*image.size, rng)
        visible = [i for i, m in enumerate(masks) if np.count_nonzero(m.crop(crop)) >= VISIBLE * sizes[i]]
        if visible:
            break
    return crop, visible


def _view_of_target(
    sample: dict, mask: Image.Image, pose: Pose, grey: np.ndarray, number: int, out: Path
) -> dict | None:
    """Write the mask of one target in a view; returns its sample, None if it is not in view or its side means
    nothing any more.

    Args:
        grey: (H, W) float32, 0..255, the view.
    """
    region = np.asarray(transform(mask, pose)) > GREY
    if not region.any():
        return None
    category = sample["category"]
    if pose.mirror or pose.turns == UPSIDE_DOWN:
        category = _other_side(category)
    if pose.turns in (1, 3) and "of the image" in category:
        return None
    path = f"masks/{sample['id']}_v{number}.png"
    (out / "masks").mkdir(parents=True, exist_ok=True)
    Image.fromarray(region.astype(np.uint8) * 255).save(out / path)
    box = mask_to_box(region)
    return sample | {
        "id": f"{sample['id']}_v{number}",
        "mask": path,
        "category": category,
        "box": box,
        "points": mask_to_points(region),
        "measured": asdict(measure(grey, region, box)),
    }


def _other_side(category: str) -> str:
    """The category with left and right exchanged, where it names a side."""
    swap = {"left": "right", "right": "left"}
    head, _, tail = category.partition(", ")
    return f"{head}, {swap[tail.split()[0]]} of the image" if tail else category


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--per-set", type=int, default=140, help="views of a set, at least one of every second image"
    )
    parser.add_argument("--most", type=int, default=10, help="views of one image")
    parser.add_argument("--only", help="views of this source set alone")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    by_image: dict[str, list[dict]] = {}
    for line in (args.source / "samples.jsonl").read_text().splitlines():
        sample = json.loads(line)
        if sample["split"] == "train" and args.only in (None, sample["dataset"]):
            by_image.setdefault(sample["image"], []).append(sample)
    sets = Counter(samples[0]["dataset"] for samples in by_image.values())
    args.out.mkdir(parents=True, exist_ok=True)
    count = 0
    with open(args.out / "samples.jsonl", "w") as file:
        for name, samples in by_image.items():
            rng = random.Random(f"{args.seed}/{name}")
            share = min(args.most, max(0.5, args.per_set / sets[samples[0]["dataset"]]))
            for number in range(int(share + rng.random())):
                for sample in view(samples, args.source, args.out, number, rng):
                    file.write(json.dumps(sample) + "\n")
                    count += 1
    print(f"{args.out}: {count} samples of {len(by_image)} images, {len(categories())} categories known")


if __name__ == "__main__":
    main()

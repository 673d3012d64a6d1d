"""Augmented views of a built training set: other crops, mirrorings and exposures, written as a folder of the same format.

Is: a fixed set of views, so that their frozen features can be cached once (`train/embedded/features.py`); boxes, points and measured words are
taken anew from the transformed mask, never carried over.
Is not: random at training time.

    python -m train.embedded.augment runs/data --out runs/views --per-set 140
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

MIRRORED = {
    "busi",
    "us_breast_busi",
    "us_breast_busbra",
    "hc18_fetal_head",
    "us_kidney_stone",
    "isic2017",
    "kvasir_seg",
    "endo_edd2020",
    "histo_glomeruli",
    "cyto_wbc_krd",
    "cxr_lungs_mc_shenzhen",
    "xray_angio_coronary",
    "mammo_cesm",
    "ct_lung_tumour_msd",
    "ct_brain_haemorrhage_ich",
    "mri_brain_ms_flair",
    "mri_brain_tumour_t2",
    "mri_brain_tumour_brisc",
    "mri_nasopharynx",
    "mri_prostate158",
    "petct_mri_sarcoma",
    "idrid_optic_disc",
    "fundus_disc_drishti",
    "fundus_rop_ridge",
    "oct_lesions",
}  # sets where a mirror image could be another patient's
STANDARD = {
    "mri_spine_spider_t2": Image.Transpose.FLIP_TOP_BOTTOM,
    "ct_lung_tumour_msd": Image.Transpose.TRANSVERSE,
    "ct_hepatic_vessel_msd": Image.Transpose.TRANSVERSE,
    "ct_heart_hocm": Image.Transpose.FLIP_LEFT_RIGHT,
}  # sets whose pictures are stored head down, turned or mirrored: what brings them to the position a radiologist expects, in half the views
TURNED = {
    "isic2017",
    "histo_glomeruli",
    "cyto_wbc_krd",
    "kvasir_seg",
    "endo_edd2020",
}  # sets without an up and a down
KEPT = 0.85  # share of a target that must stay in the window
LONG_SIDE = 512


def window(width: int, height: int, rng: random.Random) -> tuple[int, int, int, int]:
    """A crop window (x1, y1, x2, y2) of 0.6 to 1.15 of the image, its sides at most 15 % off the image's own ratio; may reach outside."""
    zoom, skew = rng.uniform(0.6, 1.15), rng.uniform(-0.14, 0.14)
    w, h = int(width * zoom * np.exp(skew / 2)), int(height * zoom * np.exp(-skew / 2))
    x = rng.uniform(min(0, width - w), max(0, width - w))
    y = rng.uniform(min(0, height - h), max(0, height - h))
    return int(x), int(y), int(x) + w, int(y) + h


@dataclass(frozen=True)
class Pose:
    """How a view is taken: a window (x1, y1, x2, y2) of the image, a transposition of STANDARD or None, mirrored or not, quarter turns."""

    crop: tuple[int, int, int, int]
    stand: Image.Transpose | None
    mirror: bool
    turns: int


def transform(image: Image.Image, pose: Pose) -> Image.Image:
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
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.8, 1.2))
    return ImageEnhance.Contrast(image).enhance(rng.uniform(0.8, 1.25))


def view(samples: list[dict], source: Path, out: Path, number: int, rng: random.Random) -> list[dict]:
    """One view of one image with all its targets that stay in it; up to ten windows are tried, [] if none keeps any."""
    image = Image.open(source / samples[0]["image"]).convert("RGB")
    masks = [Image.open(source / s["mask"]).convert("L") for s in samples]
    sizes = [np.count_nonzero(m) for m in masks]
    for _ in range(10):
        crop = window(*image.size, rng)
        kept = [i for i, m in enumerate(masks) if np.count_nonzero(m.crop(crop)) >= KEPT * sizes[i]]
        if kept:
            break
    else:
        return []
    dataset = samples[0]["dataset"]
    stand = STANDARD.get(dataset) if rng.random() < 0.5 else None
    pose = Pose(
        crop, stand, dataset in MIRRORED and rng.random() < 0.5, rng.randrange(4) if dataset in TURNED else 0
    )
    if any(s["category"].startswith("lung,") for s in samples) and len(kept) < 2:
        return []  # with one lung in view, "the left one" means nothing
    shown = expose(transform(image, pose), rng)
    name = f"images/{Path(samples[0]['image']).stem}_v{number}.jpg"
    (out / "images").mkdir(parents=True, exist_ok=True)
    shown.save(out / name, quality=93)
    grey = np.asarray(shown.convert("L"), np.float32)
    made = []
    for i in kept:
        region = np.asarray(transform(masks[i], pose)) > 127
        if not region.any():
            continue
        box = mask_to_box(region)
        sample = dict(
            samples[i],
            id=f"{samples[i]['id']}_v{number}",
            image=name,
            mask=f"masks/{samples[i]['id']}_v{number}.png",
        )
        if pose.mirror or pose.turns == 2:
            sample["category"] = _other_side(sample["category"])
        if pose.turns in (1, 3) and "of the image" in sample["category"]:
            continue
        (out / "masks").mkdir(parents=True, exist_ok=True)
        Image.fromarray(region.astype(np.uint8) * 255).save(out / sample["mask"])
        sample |= {
            "box": box,
            "points": mask_to_points(region),
            "measured": asdict(measure(grey, region, box)),
        }
        made.append(sample)
    return made


def _other_side(category: str) -> str:
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

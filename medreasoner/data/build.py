"""From images with masks to samples: regions, boxes, points, questions and reasoning, in the project's folder format.

Is: the builder for a source that lists its images in a `manifest.jsonl` (fields `image`, `mask`, `targets`, `split`, `case`, …; indexed
masks, 0 background). Every target that is left out is counted by reason.
Is not: a judge of the masks; sets whose masks have no single target are named in `LEFT_OUT` with the reason, after looking at them.

    python -m medreasoner.data.build SOURCE --out FOLDER
"""

import argparse
import collections
import json
import random
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

from medreasoner.data.taxonomy import Category, categories
from medreasoner.data.write import measure, reasoning, vary
from medreasoner.geometry import mask_to_box, mask_to_points

LEFT_OUT = {
    "drive_vessels": "a network over the whole field, no single target",
    "fundus_vessel_fives": "a network over the whole field, no single target",
    "ct_pulmonary_vessels": "many scattered pieces, classes without names",
    "dsb2018_nuclei": "many equal nuclei, no single target",
    "fluor_neuroblastoma": "many equal nuclei, no single target",
    "histo_oesophagus_nuinsseg": "many equal nuclei, no single target",
    "histo_tnbc": "many equal nuclei, no single target",
    "mammo_mias": "circles, some beside the breast",
    "ct_brain_haemorrhage_sich": "the class marks the rim or the oedema, not the blood",
}
SINGLE = 1.5  # the asked region must be this many times larger than the next of its class: else nobody could tell which is meant
MIN_SIDE = 8  # pixels of the box, in images of at most 640 px


def dhash(image: Image.Image, size: int = 16) -> np.ndarray:
    """Difference hash, (size * size,) bool: equal or nearly so for copies of a picture at other sizes and compressions."""
    grey = np.asarray(image.convert("L").resize((size + 1, size), Image.Resampling.BILINEAR), np.int16)
    return (grey[:, 1:] > grey[:, :-1]).ravel()


def regions(mask: np.ndarray, kind: str) -> tuple[list[tuple[str, np.ndarray]], str | None]:
    """The asked regions of a class mask (H, W) bool: [(side or "", region)] and, when there is none, the reason.

    kind "largest": the largest connected region; "whole": everything, holes filled; "sides": the two largest, named by their place.
    """
    if kind == "whole":
        return [("", ndimage.binary_fill_holes(mask))], None
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    order = np.argsort(sizes)[::-1]
    if kind == "largest":
        if count > 1 and sizes[order[0]] < SINGLE * sizes[order[1]]:
            return [], "several regions of like size"
        return [("", labels == order[0] + 1)], None
    if count < 2 or sizes[order[1]] < 0.25 * sizes[order[0]] or (count > 2 and sizes[order[2]] > 0.25 * sizes[order[1]]):
        return [], "not two separate organs"
    pair = sorted((labels == order[i] + 1 for i in (0, 1)), key=lambda region: np.flatnonzero(region.any(axis=0)).mean())
    return [("left", pair[0]), ("right", pair[1])], None


@dataclass(frozen=True)
class Target:
    """One asked region of one image, before it has a question. `region` (H, W) bool."""

    category: Category
    side: str
    region: np.ndarray


def targets_of(row: dict, mask: np.ndarray, rejects: collections.Counter) -> list[Target]:
    """Every usable target of one manifest row; the others are counted in `rejects`."""
    found = []
    for category in categories().values():
        names = category.targets.get(row["dataset"], [])
        indices = [t["index"] for t in row["targets"] if t["name"] in names]
        if not indices:
            continue
        parts, reason = regions(np.isin(mask, indices), category.region)
        if reason:
            rejects[reason] += 1
        for side, region in parts:
            box = mask_to_box(region)
            if min(box[2] - box[0], box[3] - box[1]) < MIN_SIDE:
                rejects[f"box under {MIN_SIDE} px"] += 1
            else:
                found.append(Target(category, side, region))
    return found


def write_sample(
    out: Path, stem: str, image_name: str, grey: np.ndarray, target: Target, row: dict, split: str, rng: random.Random
) -> dict:
    """Write the target's mask and return its line of samples.jsonl (without `others`)."""
    category, region = target.category, target.region
    box = mask_to_box(region)
    name = f"masks/{stem}_{category.name.replace(' ', '-')}{'_' + target.side if target.side else ''}.png"
    (out / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(region.astype(np.uint8) * 255).save(out / name)
    wordings = category.questions if split == "train" else category.held_out
    question = rng.choice(wordings).replace("{side}", target.side)
    measured = measure(grey, region, box)
    return {
        "id": name.removeprefix("masks/").removesuffix(".png"),
        "image": image_name,
        "mask": name,
        "question": vary(question, rng) if split == "train" else question,
        "modality": category.modality,
        "category": f"{category.name}, {target.side} of the image" if target.side else category.name,
        "supercategory": category.supercategory,
        "case": row["case"],
        "dataset": row["dataset"],
        "split": split,
        "box": box,
        "points": mask_to_points(region),
        "think": reasoning(category, measured, rng),
        "measured": asdict(measured),
        "licence": row["licence"],
        "source": row["source"],
    }


def build(source: Path, out: Path, seed: int = 0) -> dict:
    """Build `out/samples.jsonl`, `out/images`, `out/masks` from `source/manifest.jsonl`; returns the counts, also in `out/report.json`.

    Training images that look the same as a validation image (difference hash within 10 of 256 bits) are dropped: two of the sources are
    copies of one collection. Same source and seed, same bytes.
    """
    rows = [json.loads(line) for line in (source / "manifest.jsonl").read_text().splitlines()]
    rows.sort(key=lambda r: (r["split"] == "train", r["id"]))
    rejects: collections.Counter = collections.Counter()
    seen: list[np.ndarray] = []
    lines = []
    for row in rows:
        if row["dataset"] in LEFT_OUT:
            rejects[f"set left out: {LEFT_OUT[row['dataset']]}"] += len(row["targets"])
            continue
        image = Image.open(source / row["image"]).convert("RGB")
        if row["split"] != "train":
            seen.append(dhash(image))
        elif (np.stack(seen) != dhash(image)).sum(axis=1).min() <= 10:
            rejects["training image like a validation image"] += len(row["targets"])
            continue
        stem = row["id"].replace("/", "_")
        targets = targets_of(row, np.asarray(Image.open(source / row["mask"])), rejects)
        if not targets:
            continue
        name = f"images/{stem}{Path(row['image']).suffix}"
        (out / "images").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["image"], out / name)
        grey = np.asarray(image.convert("L"), np.float32)
        made = [
            write_sample(out, stem, name, grey, target, row, row["split"], random.Random(f"{seed}/{row['id']}/{i}"))
            for i, target in enumerate(targets)
        ]
        for sample in made:
            sample["others"] = [other["box"] for other in made if other is not sample]
        lines += made
    with open(out / "samples.jsonl", "w") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    report = {
        "samples": dict(collections.Counter(line["split"] for line in lines)),
        "images": {s: len({line["image"] for line in lines if line["split"] == s}) for s in ("train", "validation")},
        "rejected": dict(rejects.most_common()),
    }
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(json.dumps(build(arguments.source, arguments.out, arguments.seed), indent=1))

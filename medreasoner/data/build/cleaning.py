"""Stage 1 of a build for one image: its class mask to measured regions with a tight box and two points each.

Is: one function of one item, which needs no other item, so that it can be mapped over workers and machines (Ray Data, `datasets`); what
concerns several images, copies and patients in two splits, `build.Builder` decides afterwards, from the lines alone.
Is not: a writer of words.

    lines = [clean(item, out, categories()) for item in open_source(source, out, options)]
"""

import re
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.build.duplicates import dhash
from medreasoner.data.build.manifest import Item
from medreasoner.data.build.pictures import read_class_mask
from medreasoner.data.build.regions import LEFT_OUT, Reject, Target, targets_of
from medreasoner.data.build.source_files import SourceError
from medreasoner.data.build.writers.offline import against_other_side, measure
from medreasoner.data.taxonomy import Category, modality_of
from medreasoner.geometry import mask_to_box, mask_to_points
from medreasoner.imaging import ImageError, load_image


def clean(item: Item, out: Path, table: dict[str, Category]) -> dict:
    """One image as a line of stage 1. Its picture and the masks of its regions are written to `out/images` and `out/masks`.

    Args:
        table: the categories with wordings, as `taxonomy.categories` gives them.

    Returns: `id`, `modality`, `dataset`, `case`, `split`, `licence`, `source`, `targets` (each with `mask`, `box` half-open xyxy and
    `points` xy in pixels of the image, what was measured) and `rejects` (`target`, `reason`); `spacing_mm`, where known; `hash`, `wh` and
    `image` where the image could be used. A picture or mask that cannot be read is a reject, not an error.
    """
    kind = modality_of(item.modality) or item.modality
    line = {"id": item.id, "modality": kind, "dataset": item.dataset, "case": item.case, "split": item.split}
    line |= {"licence": item.licence, "source": item.source, "targets": [], "rejects": []}
    if item.spacing_mm:
        line["spacing_mm"] = item.spacing_mm

    def refuse(reason: str) -> dict:
        return line | {"rejects": [{"target": name, "reason": reason} for _, name in item.classes]}

    if item.dataset in LEFT_OUT:
        return refuse(f"set left out: {LEFT_OUT[item.dataset]}")
    try:
        loaded = load_image(item.image)
        mask = read_class_mask(item.mask, [value for value, _ in item.classes])
    except (ImageError, SourceError) as error:
        return refuse(f"cannot be read: {error}")
    image = loaded.image
    if mask.shape != (image.height, image.width):
        return refuse(f"mask of {mask.shape[1]} x {mask.shape[0]} pixels for an image of {image.width} x {image.height}")
    found = list(targets_of(item, mask, table))
    targets = [part for part in found if isinstance(part, Target)]
    line |= {"hash": dhash(image).hex(), "wh": image.size, "rejects": [asdict(part) for part in found if isinstance(part, Reject)]}
    if targets:
        line["image"] = _keep(item, loaded.kind, image, out)
        grey = np.asarray(image.convert("L"), np.float32)
        line["targets"] = [_region(item, target, grey, out) for target in targets]
    return line


def forget(line: dict, out: Path) -> None:
    """Delete the files that `clean` wrote for `line`."""
    for name in (line.get("image"), *(target["mask"] for target in line["targets"])):
        if name:
            (out / name).unlink(missing_ok=True)


def _keep(item: Item, kind: str, image: Image.Image, out: Path) -> str:
    """Copy the picture as it is, or as PNG what is no picture file; returns its name."""
    deep = kind in ("DICOM", "NIfTI")
    name = f"images/{item.stem}{'.png' if deep else item.image.suffix}"
    (out / "images").mkdir(parents=True, exist_ok=True)
    if deep:
        image.save(out / name)
    else:
        shutil.copyfile(item.image, out / name)
    return name


def _region(item: Item, target: Target, grey: np.ndarray, out: Path) -> dict:
    """Write the target's mask; returns what is known of it."""
    category, region = target.category, target.region
    called = re.sub(r"[^\w-]+", "-", category.name)
    name = f"masks/{item.stem}_{called}{'_' + target.side if target.side else ''}.png"
    (out / "masks").mkdir(parents=True, exist_ok=True)
    Image.fromarray(region.astype(np.uint8) * 255).save(out / name)
    box = mask_to_box(region)
    return {
        "name": category.name,
        "side": target.side,
        "supercategory": category.supercategory,
        "modality": category.modality,
        "synonyms": category.synonyms,
        "mask": name,
        "box": box,
        "points": mask_to_points(region),
        "measured": asdict(measure(grey, region, box)),
        "other_side": against_other_side(grey, region),
    }

"""Stage 1 of a build for one image: its class mask to measured regions with a tight box and two points each.

`clean` looks at one item and needs no other, so that it can be mapped over workers and machines (Ray Data,
`datasets`). What concerns several images (copies, and patients in two splits) is decided afterwards by
`builder.Builder`, from the lines alone. The words come later too, see `writers/`.

    lines = [clean(item, out, categories()) for item in open_source(source, out, options)]
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from medreasoner.data.build.duplicates import dhash
from medreasoner.data.build.manifest import Item
from medreasoner.data.build.measuring import against_other_side, measure
from medreasoner.data.build.pictures import read_class_mask
from medreasoner.data.build.regions import Reject, Target, targets_of
from medreasoner.data.build.source_files import SourceError
from medreasoner.data.category import Category
from medreasoner.data.scenes import scene_of
from medreasoner.data.taxonomy import modality_of
from medreasoner.geometry import mask_to_box, mask_to_points
from medreasoner.imaging import ImageError, load_image


def clean(item: Item, out: Path, table: dict[str, Category]) -> dict:
    """One image as a line of stage 1. Its picture and the masks of its regions are written to `out/images`
    and `out/masks`.

    Args:
        table: the categories with wordings, as `taxonomy.categories` gives them.

    Returns: `id`, `modality`, `dataset`, `case`, `split`, `licence`, `source`, `targets` (each with `mask`,
    `box` half-open xyxy and `points` xy in pixels of the image, what was measured) and `rejects` (`target`,
    `reason`); `spacing_mm`, where known; `hash`, `wh` and `image` where the image could be used. A picture or
    mask that cannot be read is a reject, not an error.
    """
    kind = modality_of(item.modality) or item.modality
    line = {"id": item.id, "modality": kind, "dataset": item.dataset, "case": item.case, "split": item.split}
    line |= {"licence": item.licence, "source": item.source, "targets": [], "rejects": []}
    line["classes"] = [name for _, name in item.classes]
    if item.spacing_mm:
        line["spacing_mm"] = item.spacing_mm

    def refuse(reason: str) -> dict:
        return line | {"rejects": [{"target": name, "reason": reason} for _, name in item.classes]}

    scene = scene_of(item.dataset)
    if why := scene.excluded(item.id):
        return refuse(f"set aside: {why}")
    try:
        loaded = load_image(item.image)
        mask = read_class_mask(item.mask, [value for value, _ in item.classes])
    except (ImageError, SourceError) as error:
        return refuse(f"cannot be read: {error}")
    image = loaded.image
    if mask.shape != (image.height, image.width):
        return refuse(
            f"mask of {mask.shape[1]} x {mask.shape[0]} pixels for an image of {image.width} x {image.height}"
        )
    upright = scene.upright(image, item.id)
    if upright is not image:
        mask = np.asarray(scene.upright(Image.fromarray(mask), item.id))
    found = list(targets_of(item, mask, table))
    targets = [part for part in found if isinstance(part, Target)]
    line |= {
        "hash": dhash(image).hex(),
        "wh": upright.size,
        "rejects": [asdict(part) for part in found if isinstance(part, Reject)],
    }
    # a known picture without a target can still be asked for what it does not show
    if targets or scene.phrases:
        changed = loaded.kind in ("DICOM", "NIfTI") or upright is not image
        line["image"] = _keep(item, upright if changed else None, out)
        grey = np.asarray(upright.convert("L"), np.float32)
        line["targets"] = [_region(item, target, grey, targets, out) for target in targets]
    return line


def forget(line: dict, out: Path) -> None:
    """Delete the files that `clean` wrote for `line`."""
    for name in (line.get("image"), *(target["mask"] for target in line["targets"])):
        if name:
            (out / name).unlink(missing_ok=True)


def _keep(item: Item, changed: Image.Image | None, out: Path) -> str:
    """Copy the picture file as it is, or write `changed` as PNG (turned upright, or no picture file before);
    returns its name.
    """
    name = f"images/{item.stem}{item.image.suffix if changed is None else '.png'}"
    (out / "images").mkdir(parents=True, exist_ok=True)
    if changed is not None:
        changed.save(out / name)
    else:
        shutil.copyfile(item.image, out / name)
    return name


def _region(item: Item, target: Target, grey: np.ndarray, targets: Sequence[Target], out: Path) -> dict:
    """Write the target's mask; returns what is known of it."""
    category, region = target.category, target.region.mask
    called = re.sub(r"[^\w-]+", "-", target.name)
    name = f"masks/{item.stem}_{called}.png"
    others = [
        (other.category.with_article(other.region.side), other.region.mask)
        for other in targets
        if not _same(other, target)
    ]
    (out / "masks").mkdir(parents=True, exist_ok=True)
    Image.fromarray(region.astype(np.uint8) * 255).save(out / name)
    box = mask_to_box(region)
    return {
        "name": category.name,
        "called": target.name,
        "side": target.region.side,
        "image_side": target.region.image_side,
        "supercategory": category.supercategory,
        "modality": category.modality,
        "synonyms": category.synonyms,
        "mask": name,
        "box": box,
        "points": mask_to_points(region),
        "measured": asdict(measure(grey, region, box, others)),
        "other_side": against_other_side(grey, region),
    }


def _same(one: Target, other: Target) -> bool:
    """Whether two targets are one organ: the same, or one of a pair and the pair; neither is the other's
    neighbour.
    """
    first, second = (target.category.name.rstrip("s") for target in (one, other))
    apart = one.region.side != other.region.side and one.category is other.category
    return first == second and not apart or "both" in (one.category.region, other.category.region)

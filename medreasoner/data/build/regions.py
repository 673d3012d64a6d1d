"""From a class mask to the regions that can be asked for, measured.

Is: which part of a class is one target (`Category.region`), and what is left out, with its reason.
Is not: a judge of the masks; sets whose masks have no single target are named in `LEFT_OUT` with the reason, after looking at them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from medreasoner.data.build.manifest import Item
from medreasoner.data.taxonomy import Category, find, modality_of
from medreasoner.geometry import mask_to_box

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
BESIDE = 0.05  # of the image's longer side: what of a vertebra or disc is smaller was cut beside the midline, and is a process or an edge
MIN_SIDE = 8  # pixels of the box, in images of at most 640 px


@dataclass(frozen=True)
class Target:
    """One asked region of one image, before it has a question. `region` (H, W) bool."""

    category: Category
    side: str
    region: np.ndarray


@dataclass(frozen=True)
class Reject:
    """What was left out of one image, and why."""

    target: str
    reason: str


def regions(mask: np.ndarray, kind: str) -> tuple[list[tuple[str, np.ndarray]], str | None]:
    """The asked regions of a class mask (H, W) bool: [(side or "", region)] and, when there is none, the reason.

    kind "largest": the largest connected region; "whole": everything, holes filled; "sides": the two largest, named by their place.
    """
    if not mask.any():
        return [], "empty mask"
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


def targets_of(item: Item, mask: np.ndarray, table: dict[str, Category]) -> Iterator[Target | Reject]:
    """Every usable target of one image with class mask (H, W), and what is not usable, in the order of the table."""
    for category, values in classes_of(item, table):
        parts, reason = regions(np.isin(mask, values), category.region)
        if reason:
            yield Reject(category.name, reason)
        for side, region in parts:
            box = mask_to_box(region)
            sides = box[2] - box[0], box[3] - box[1]
            if category.supercategory == "spine" and max(sides) < BESIDE * max(mask.shape):
                yield Reject(category.name, "spine cut beside the midline")
            elif min(sides) < MIN_SIDE:
                yield Reject(category.name, f"box under {MIN_SIDE} px")
            else:
                yield Target(category, side, region)


def classes_of(item: Item, table: dict[str, Category]) -> list[tuple[Category, list[int]]]:
    """The categories that the classes of `item` are, with their mask values.

    A set that the table names (`Category.targets`) means what is said there, and its other classes are not asked for. In any other set a
    class is the category of the same name; a name that the taxonomy does not hold becomes a category of its own.
    """
    told = [c for c in table.values() if item.dataset in c.targets]
    if told:
        pairs = [(c, [value for value, name in item.classes if name in c.targets[item.dataset]]) for c in told]
        return [(category, values) for category, values in pairs if values]
    found: dict[str, tuple[Category, list[int]]] = {}
    for value, name in item.classes:
        category = _category(name, item.modality, table)
        found.setdefault(category.name, (category, []))[1].append(value)
    return list(found.values())


def _category(name: str, modality: str, table: dict[str, Category]) -> Category:
    known = find(name, modality, table) or Category(name, "other")
    return known if known.modality else replace(known, modality=modality_of(modality) or modality)

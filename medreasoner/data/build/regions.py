"""From a class mask to the regions that can be asked for.

Which part of a class is one target (`Category.region`), on which side of the patient it lies, and what is
left out, with its reason. What is known of a source's images (turned, mirrored, masks not to be trusted)
comes from `data/scenes.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from medreasoner.data.build.connected_parts import largest, pair
from medreasoner.data.build.manifest import Item
from medreasoner.data.category import Category
from medreasoner.data.scenes import Scene, scene_of, scenes
from medreasoner.data.taxonomy import find, modality_of
from medreasoner.geometry import mask_to_box

BESIDE = 0.05  # of the image's longer side: what of a vertebra or disc is smaller was cut beside the midline
MIN_SIDE = 8  # pixels of the box, in images of at most 640 px
SIDES = ("left", "right")
LEVELS = ("S1", "L5", "L4", "L3", "L2", "L1", "T12")  # of the spine, from below


@dataclass(frozen=True)
class Region:
    """One region of a class.

    `mask` (H, W) bool; `side` of the patient and `image_side` of the image are "left", "right" or "".
    """

    mask: np.ndarray
    side: str = ""
    image_side: str = ""


@dataclass(frozen=True)
class Target:
    """One asked region of one image, before it has a question."""

    category: Category
    region: Region

    @property
    def name(self) -> str:
        """As an answer names it: "left kidney"; where the patient's side is not known "hippocampus, left of
        the image".
        """
        if self.region.image_side and not self.region.side:
            return f"{self.category.name}, {self.region.image_side} of the image"
        return self.category.called(self.region.side)


@dataclass(frozen=True)
class Reject:
    """What was left out of one image, and why."""

    target: str
    reason: str


def regions(classes: dict[str, np.ndarray], kind: str, scene: Scene) -> list[Region] | str:
    """The asked regions of a category's classes, name -> mask (H, W) bool, or the reason why there is none.

    kind "largest": the largest connected region. "whole": everything, holes filled. "sides": each organ of a
    pair: classes named left and right, or the two parts of one class. "both": the pair together, holes
    filled.
    """
    union = np.any(list(classes.values()), axis=0)
    if not union.any():
        return "empty mask"
    by_name = {side: mask for name, mask in classes.items() for side in SIDES if name.startswith(f"{side} ")}
    if kind == "largest":
        found = largest(union)
        return found if isinstance(found, str) else [Region(found)]
    if kind == "sides":
        return _sides(union, by_name, scene)
    if kind == "both" and by_name and len(by_name) < len(SIDES):
        return "only one of the pair"
    return [Region(ndimage.binary_fill_holes(union))]


def _sides(union: np.ndarray, by_name: dict[str, np.ndarray], scene: Scene) -> list[Region] | str:
    """Each organ of a pair: as its own class says, `by_name`, else the two parts of `union`; or why there is
    none.
    """
    if by_name:
        named = [(side, largest(mask)) for side, mask in by_name.items()]
        return [
            Region(mask, side, scene.patient_side(side)) for side, mask in named if not isinstance(mask, str)
        ] or "no single part"
    two = pair(union)
    if isinstance(two, str):
        return two
    return [Region(mask, scene.patient_side(side), side) for side, mask in zip(SIDES, two, strict=True)]


def targets_of(item: Item, mask: np.ndarray, table: dict[str, Category]) -> Iterator[Target | Reject]:
    """Every usable target of one image with class mask (H, W), and what is not usable, in the order of the
    table.
    """
    scene = scene_of(item.dataset)
    if scene.lowest_part:
        yield from _stacked(item, mask, scene, table)
        return
    doubted = scene.exclude_targets.get(item.id, {})
    for category, classes in classes_of(item, table):
        if why := next((doubted[name] for _, name in classes if name in doubted), None):
            yield Reject(category.name, f"set aside: {why}")
            continue
        values: dict[str, list[int]] = {}
        for value, name in classes:  # a class may have several values
            values.setdefault(name, []).append(value)
        parts = {name: np.isin(mask, each) for name, each in values.items()}
        found = regions(parts, category.region, scene)
        if isinstance(found, str):
            yield Reject(category.name, found)
            continue
        for region in found:
            yield _usable(category, region)


def _usable(category: Category, region: Region) -> Target | Reject:
    box = mask_to_box(region.mask)
    sides = box[2] - box[0], box[3] - box[1]
    if category.supercategory == "spine" and max(sides) < BESIDE * max(region.mask.shape):
        return Reject(category.name, "spine cut beside the midline")
    if min(sides) < MIN_SIDE:
        return Reject(category.name, f"box under {MIN_SIDE} px")
    return Target(category, region)


def _stacked(
    item: Item, mask: np.ndarray, scene: Scene, table: dict[str, Category]
) -> Iterator[Target | Reject]:
    """The vertebrae of one class, told apart by counting its connected parts up from the lowest, whose level
    the scene names.
    """
    labels, count = ndimage.label(mask > 0, structure=np.ones((3, 3)))
    centres = ndimage.center_of_mass(mask > 0, labels, range(1, count + 1)) if count else []
    upwards = sorted(range(count), key=lambda part: -centres[part][0])
    for part, level in zip(upwards, LEVELS[LEVELS.index(scene.lowest_part) :], strict=False):
        category = table.get(f"{level} vertebra")
        if category is not None:
            yield _usable(category, Region(labels == part + 1))


def classes_of(item: Item, table: dict[str, Category]) -> list[tuple[Category, list[tuple[int, str]]]]:
    """The categories that the classes of `item` are, each with the (mask value, class name) that belong to
    it.

    A set that the table names (`Category.targets`) means what is said there, and its other classes are not
    asked for. In any other set a class is the category of the same name. A known source (`data/scenes.py`)
    whose classes no category takes has no target; a name that the taxonomy does not hold becomes a category
    of its own.
    """
    known = [c for c in table.values() if item.dataset in c.targets]
    if known or item.dataset in scenes():
        pairs = [
            (c, [(value, name) for value, name in item.classes if name in c.targets[item.dataset]])
            for c in known
        ]
        return [(category, classes) for category, classes in pairs if classes]
    found: dict[str, tuple[Category, list[tuple[int, str]]]] = {}
    for value, name in item.classes:
        category = _category(name, item.modality, table)
        found.setdefault(category.name, (category, []))[1].append((value, name))
    return list(found.values())


def _category(name: str, modality: str, table: dict[str, Category]) -> Category:
    known = find(name, modality, table) or Category(name, "other")
    return known if known.modality else replace(known, modality=modality_of(modality) or modality)

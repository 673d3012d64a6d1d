"""Which part of a class mask is asked for, and what a source's class names mean."""

from dataclasses import replace

import numpy as np
import pytest

from medreasoner.data.build.manifest import Item
from medreasoner.data.build.regions import LEVELS, Reject, classes_of, regions, targets_of
from medreasoner.data.scenes import Scene, scenes
from medreasoner.data.taxonomy import categories
from tests.data.build.test_builder import disc

WH = (200, 150)


def item(dataset: str, modality: str, *classes: tuple[int, str]) -> Item:
    return Item("x", dataset, None, None, modality, classes, "case", "train", "CC0", "drawn")


def test_two_regions_of_like_size_are_no_single_target():
    both = disc(WH, (50, 75), 20) | disc(WH, (150, 75), 19)
    assert regions({"thing": both}, "largest", Scene("own")) == "several regions of like size"


def test_the_largest_region_is_taken_when_it_stands_out():
    large, small = disc(WH, (50, 75), 30), disc(WH, (150, 75), 10)
    (found,) = regions({"thing": large | small}, "largest", Scene("own"))
    assert found.side == found.image_side == "" and np.array_equal(found.mask, large)


def test_the_whole_is_taken_with_its_holes_filled():
    ring = disc(WH, (50, 75), 30) & ~disc(WH, (50, 75), 10)
    (found,) = regions({"thing": ring}, "whole", Scene("own"))
    assert np.array_equal(found.mask, disc(WH, (50, 75), 30))


@pytest.mark.parametrize(
    "patient_left,sides", [("right", ["right", "left"]), ("left", ["left", "right"]), ("unknown", ["", ""])]
)
def test_two_parts_of_one_class_are_sides_of_the_image_and_where_known_of_the_patient(patient_left, sides):
    two = disc(WH, (150, 75), 30) | disc(WH, (40, 75), 20)
    found = regions({"lungs": two}, "sides", Scene("own", patient_left=patient_left))
    assert [part.image_side for part in found] == ["left", "right"] and [part.side for part in found] == sides
    assert found[0].mask[75, 40] and found[1].mask[75, 150]
    crumb = disc(WH, (100, 20), 4)
    assert len(regions({"lungs": two | crumb}, "sides", Scene("own"))) == 2
    assert regions({"lungs": disc(WH, (50, 75), 30)}, "sides", Scene("own")) == "not two separate organs"


def test_classes_named_left_and_right_are_the_patients():
    left, right = disc(WH, (150, 75), 30), disc(WH, (40, 75), 20)
    scene = Scene("own", patient_left="right")
    found = {
        part.side: part for part in regions({"left kidney": left, "right kidney": right}, "sides", scene)
    }
    assert found["left"].image_side == "right" and np.array_equal(found["left"].mask, left)
    (alone,) = regions({"right kidney": right}, "sides", scene)
    assert (alone.side, alone.image_side) == ("right", "left")


def test_a_pair_is_both_or_nothing():
    left, right = disc(WH, (150, 75), 30), disc(WH, (40, 75), 20)
    (found,) = regions({"left kidney": left, "right kidney": right}, "both", Scene("own"))
    assert np.array_equal(found.mask, left | right) and found.side == found.image_side == ""
    assert regions({"left kidney": left}, "both", Scene("own")) == "only one of the pair"


def test_an_empty_mask_is_a_reason_and_no_crash():
    for kind in ("largest", "whole", "sides", "both"):
        assert regions({"thing": np.zeros((150, 200), bool)}, kind, Scene("own")) == "empty mask"


def test_a_set_of_the_table_means_what_is_said_there():
    ((category, values),) = classes_of(
        item("endo_edd2020", "Endoscopy", (1, "polyp"), (2, "something else")), categories()
    )
    assert category.name == "colorectal polyp" and values == [(1, "polyp")]


def test_a_known_set_whose_classes_no_category_takes_has_no_target():
    assert classes_of(item("drive_vessels", "Fundus", (1, "retinal vessels")), categories()) == []


def test_a_class_with_several_values_is_one_target():
    mask = disc(WH, (50, 75), 20).astype(int) + disc(WH, (50, 75), 8)
    (found,) = targets_of(item("own", "CT", (1, "spleen"), (2, "spleen")), mask, categories())
    assert np.array_equal(found.region.mask, disc(WH, (50, 75), 20))


def test_a_class_that_is_doubted_in_one_image_is_set_aside_with_its_reason():
    source, image, name, reason = next(
        (scene.source, image, name, reason)
        for scene in scenes().values()
        for image, doubted in scene.exclude_targets.items()
        for name, reason in doubted.items()
        if any(name in category.targets.get(scene.source, ()) for category in categories().values())
    )
    known = replace(item(source, "CT", (1, name)), id=image)
    found = list(targets_of(known, disc(WH, (50, 75), 20).astype(int), categories()))
    assert found and {part.reason for part in found} == {f"set aside: {reason}"}


def test_vertebrae_of_one_class_are_told_apart_from_below():
    scene = next(scene for scene in scenes().values() if scene.lowest_part)
    mask = np.any([disc(WH, (100, y), 12) for y in (130, 95, 60)], axis=0).astype(int)
    found = list(targets_of(item(scene.source, "MRI", (1, "vertebrae")), mask, categories()))
    known = {
        level: y for level, y in zip(LEVELS[LEVELS.index(scene.lowest_part) :], (130, 95, 60), strict=False)
    }
    assert {target.name for target in found} == {f"{level} vertebra" for level in known} & set(categories())
    assert all(target.region.mask[known[target.name.split()[0]], 100] for target in found)


def test_classes_of_any_other_set_are_categories_of_the_same_name():
    found = classes_of(
        item("own", "computed tomography", (1, "Spleen"), (4, "Lung_Tumor"), (2, "duodenum"), (3, "gadget")),
        categories(),
    )
    names = {
        category.name: (classes, category.modality, bool(category.questions), category.supercategory)
        for category, classes in found
    }
    assert names == {
        "spleen": ([(1, "Spleen")], "CT", True, "abdomen anatomies"),
        "lung tumour": ([(4, "Lung_Tumor")], "CT", True, "neoplasm"),
        "duodenum": ([(2, "duodenum")], "CT", False, "abdomen anatomies"),
        "gadget": ([(3, "gadget")], "CT", False, "other"),
    }


def test_wordings_for_one_modality_are_not_used_for_another():
    ((category, _),) = classes_of(item("own", "MRI", (1, "spleen")), categories())
    assert (category.name, category.modality, category.questions) == (
        "spleen",
        "MRI",
        [],
    ) and "splen" in category.synonyms


def test_a_box_that_is_too_small_is_left_out():
    found = list(
        targets_of(item("own", "CT", (1, "spleen")), disc(WH, (50, 75), 2).astype(int), categories())
    )
    assert found == [Reject("spleen", "box under 8 px")]

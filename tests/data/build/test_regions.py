"""Which part of a class mask is asked for, and what a source's class names mean."""

import numpy as np

from medreasoner.data.build.manifest import Item
from medreasoner.data.build.regions import Reject, classes_of, regions, targets_of
from medreasoner.data.taxonomy import categories
from tests.data.build.test_builder import disc

WH = (200, 150)


def item(dataset: str, modality: str, *classes: tuple[int, str]) -> Item:
    return Item("x", dataset, None, None, modality, classes, "case", "train", "CC0", "drawn")


def test_two_regions_of_like_size_are_no_single_target():
    both = disc(WH, (50, 75), 20) | disc(WH, (150, 75), 19)
    assert regions(both, "largest") == ([], "several regions of like size")
    ((_, found),) = regions(both | disc(WH, (150, 75), 8), "sides")[0][:1]
    assert np.array_equal(found, disc(WH, (50, 75), 20))


def test_the_largest_region_is_taken_when_it_stands_out():
    large, small = disc(WH, (50, 75), 30), disc(WH, (150, 75), 10)
    ((side, found),) = regions(large | small, "largest")[0]
    assert side == "" and np.array_equal(found, large)


def test_the_whole_is_taken_with_its_holes_filled():
    ring = disc(WH, (50, 75), 30) & ~disc(WH, (50, 75), 10)
    ((_, found),) = regions(ring, "whole")[0]
    assert np.array_equal(found, disc(WH, (50, 75), 30))


def test_sides_are_named_by_their_place_in_the_image():
    parts, reason = regions(disc(WH, (150, 75), 30) | disc(WH, (40, 75), 20), "sides")
    assert reason is None and [side for side, _ in parts] == ["left", "right"]
    assert parts[0][1][75, 40] and parts[1][1][75, 150]
    assert regions(disc(WH, (50, 75), 30), "sides")[1] == "not two separate organs"


def test_an_empty_mask_is_a_reason_and_no_crash():
    for kind in ("largest", "whole", "sides"):
        assert regions(np.zeros((150, 200), bool), kind) == ([], "empty mask")


def test_a_set_of_the_table_means_what_is_said_there():
    ((category, values),) = classes_of(item("endo_edd2020", "Endoscopy", (1, "polyp"), (2, "something else")), categories())
    assert category.name == "colorectal polyp" and values == [1]


def test_classes_of_any_other_set_are_categories_of_the_same_name():
    found = classes_of(item("own", "computed tomography", (1, "Spleen"), (4, "Lung_Tumor"), (2, "liver"), (3, "gadget")), categories())
    names = {category.name: (values, category.modality, bool(category.questions), category.supercategory) for category, values in found}
    assert names == {
        "spleen": ([1], "CT", True, "abdomen anatomies"),
        "lung tumour": ([4], "CT", True, "neoplasm"),
        "liver": ([2], "CT", False, "abdomen anatomies"),
        "gadget": ([3], "CT", False, "other"),
    }


def test_wordings_for_one_modality_are_not_used_for_another():
    ((category, _),) = classes_of(item("own", "MRI", (1, "spleen")), categories())
    assert (category.name, category.modality, category.questions) == ("spleen", "MRI", []) and "splen" in category.synonyms


def test_a_box_that_is_too_small_is_left_out():
    found = list(targets_of(item("own", "CT", (1, "spleen")), disc(WH, (50, 75), 2).astype(int), categories()))
    assert found == [Reject("spleen", "box under 8 px")]

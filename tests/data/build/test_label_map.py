"""Structures that overlap in one label map."""

import numpy as np

from medreasoner.data.build.label_map import LabelMap, Overlaps


def test_a_structure_that_overlaps_others_keeps_all_its_pixels():
    masks = {number: np.zeros((6, 6), bool) for number in (1, 2, 5)}
    masks[1][:4, :4] = masks[2][2:, 2:] = masks[5][:, 3] = True
    values, overlaps = np.zeros((6, 6), np.int32), Overlaps([1, 2, 5])
    for number in (5, 1, 2):  # the order does not matter
        overlaps.add(values, masks[number], number)
    labels = LabelMap(values, covered=overlaps.covered())
    for number, mask in masks.items():
        assert np.array_equal(np.isin(values, labels.values_of(number)), mask)
    assert set(np.unique(values[masks[1] & ~masks[2] & ~masks[5]])) == {1}, "alone it has its own number"
    assert values.max() > 5


def test_a_structure_may_be_added_twice():
    values, overlaps = np.zeros((2, 2), np.int32), Overlaps([1, 2])
    for number in (1, 2, 1):
        overlaps.add(values, np.ones((2, 2), bool), number)
    assert (values == 3).all() and overlaps.covered() == {1: (1, 3), 2: (2, 3)}


def test_a_map_without_overlaps_means_its_own_numbers():
    assert LabelMap(np.zeros((2, 2))).values_of(7) == (7,)

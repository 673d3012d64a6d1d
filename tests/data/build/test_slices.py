"""Which slice each structure is asked for in."""

import numpy as np

from medreasoner.data.build.label_map import LabelMap
from medreasoner.data.build.slices import choose_slices


def test_a_volume_is_cut_across_its_coarse_axis_or_else_axially():
    marks = np.zeros((6, 6, 6), int)
    marks[1:5, 2, 1:5] = 1
    marks[2, 2, 3] = 2
    labels = LabelMap(marks)
    assert choose_slices(labels, (1, 4, 1), {1: "a", 2: "b", 3: "absent"}) == (1, {2: [1, 2]})
    assert choose_slices(labels, (3.9, 1, 4), {1: "a"})[0] == 2
    assert choose_slices(labels, (1, 1.2, 1), {1: "a"}) == (2, {1: [1]})  # the first of equals


def test_a_structure_counts_where_it_overlaps_another():
    marks = np.zeros((6, 6, 6), int)
    marks[1:3, 1:3, 1] = 1
    marks[1:4, 1:4, 4] = 3  # both
    labels = LabelMap(marks, covered={1: (1, 3), 2: (2, 3)})
    assert choose_slices(labels, (1, 1, 1), {1: "a", 2: "b"}) == (2, {4: [1, 2]})

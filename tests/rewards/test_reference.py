"""A row whose truth cannot be used gives no reward, in any set.

python -m pytest tests/rewards/test_reference.py
"""

import math

import numpy as np
import pytest

from medreasoner.geometry import INPUT_PIXELS
from medreasoner.rewards import SETS
from medreasoner.rewards.reference import read_references
from tests.rewards.answers import ROW, terms, written

BROKEN = {
    "a box of three": {"bbox_2d": [1, 2, 3]},
    "a reversed box": {"bbox_2d": [708, 136, 445, 729]},
    "NaN": {"bbox_2d": [math.nan, 136, 708, 729]},
    "one point": {"point_2d": [[1, 2]]},
    "no size": {"image_wh": [0, 840]},
    "text": {"bbox_2d": "all"},
    "no such mask": {"mask": "gone.png"},
    "an empty mask": {"mask": np.zeros((840, 840), bool)},
    "a mask of another size": {"mask": np.ones((84, 84), bool)},
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("set_name", SETS)
def test_a_broken_reference_gives_none(set_name, name):
    assert set(terms(set_name, written(), **BROKEN[name]).values()) == {None}


def test_a_group_shares_one_reference():
    rows = [ROW, dict(ROW), {**ROW, "bbox_2d": [1, 2, 3, 4]}, ROW]
    columns = [[row[key] for row in rows] for key in ("bbox_2d", "point_2d", "image_wh")]
    first, second, other, again = read_references(*columns, None, None, INPUT_PIXELS, None)
    assert first is second and other is not first and again is not first and again.box == first.box

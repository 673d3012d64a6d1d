"""Drawn pictures follow from their seeds.

python -m pytest tests/data/build/test_not_medical_pictures.py
"""

import random

import numpy as np
import pytest

from medreasoner.data.build.not_medical_pictures import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_follows_from_its_seed_and_no_two_are_alike(kind):
    drawn = [np.asarray(KINDS[kind](random.Random(f"{n}"))) for n in (0, 0, *range(1, 8))]
    assert np.array_equal(drawn[0], drawn[1])
    assert len({picture.tobytes() for picture in drawn}) == len(drawn) - 1
    assert all(picture.ndim == 3 and picture.std() > 3 for picture in drawn), "there is something to see"

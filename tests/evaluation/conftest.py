"""Sets of coloured rectangles, see `fakes.py`."""

import random

import pytest

from medreasoner.data.sample import Sample
from tests.evaluation.fakes import write


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> list[Sample]:
    place = tmp_path_factory.mktemp("set")
    listed = [sample for number in range(8) for sample in write(place, number)]
    return random.Random(1).sample(listed, len(listed))


@pytest.fixture(scope="module")
def train(tmp_path_factory) -> list[Sample]:
    place = tmp_path_factory.mktemp("train")
    return [sample for number in range(100, 112) for sample in write(place, number, (160, 120))]

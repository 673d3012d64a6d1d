"""`train/compare.py`: questions held back from training."""

import dataclasses

import pytest

from medreasoner.data.load import DataError, load
from medreasoner.data.taxonomy import categories
from train.compare import asked


def test_a_question_held_back_from_training_asks_for_the_same(built_set):
    samples = list(load(built_set))
    rows = asked(samples, "reworded", seed=0)
    known = categories()["colorectal polyp"]
    assert [sample for sample, _ in rows] == samples and len({question for _, question in rows}) > 1
    assert {question for _, question in rows} <= set(known.held_back) - set(known.wordings)
    with pytest.raises(DataError, match="no wording of 'gadget' is held back"):
        asked([dataclasses.replace(samples[0], category="gadget")], "reworded", seed=0)

"""Fixed boxes, the prior, shuffled questions and swapped images.

python -m pytest tests/evaluation/test_controls.py
"""

import random
from dataclasses import replace

import numpy as np
import pytest

from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample
from medreasoner.evaluation.controls import (
    centre_box,
    derange,
    kind,
    learn_prior,
    shuffled_questions,
    swapped_images,
    whole_box,
)
from medreasoner.geometry import Grounding


def test_the_prior_is_the_mean_box_in_shares_of_the_sides(train):
    learnt = learn_prior(train)
    reds = [sample.truth().box for sample in train if sample.category == "red"]
    assert learnt.box(("CT", "red"), (160, 120)) == pytest.approx(tuple(np.mean(reds, axis=0)))
    assert learnt.box(("CT", "red"), (16, 12)) == pytest.approx(tuple(np.mean(reds, axis=0) / 10))
    everything = [sample.truth().box for sample in train]
    assert learnt.box(("MRI", "unheard of"), (160, 120)) == pytest.approx(tuple(np.mean(everything, axis=0)))


def test_what_is_not_there_has_no_part_in_the_prior(train):
    absent = replace(train[0], category="absent alone", mask=None, box=None, points=None, absent=True)
    assert learn_prior([absent, *train]) == learn_prior(train)


@pytest.mark.parametrize("damage", [b"no picture", b"IHDR"])
def test_the_prior_leaves_out_training_samples_that_cannot_be_read(train, damage):
    whole = [sample.mask if isinstance(sample.mask, bytes) else sample.mask.read_bytes() for sample in train]
    broken = [
        replace(sample, mask=data[:20] + damage + data[24:60])
        for sample, data in zip(train[:2], whole, strict=False)
    ]
    learnt = learn_prior([*broken, *train[2:]])
    assert len(learnt.unusable) == 2 and "no readable picture" in learnt.unusable[0]
    assert learnt.boxes == learn_prior(train[2:]).boxes
    with pytest.raises(
        DataError, match="none of the training samples can be used; the first: training sample"
    ):
        learn_prior(broken)


def test_fixed_boxes():
    assert centre_box((80, 60)) == (20, 15, 60, 45) and whole_box((80, 60)) == (0, 0, 80, 60)


@pytest.mark.parametrize("groups", ["aabb", "aaabbc", "abcdefg", "aaaab", "aaaa", "ab" * 20])
def test_deranging_is_a_permutation_that_leaves_the_group_where_it_can(groups):
    for seed in range(20):
        target = derange(groups, random.Random(seed))
        assert sorted(target) == list(range(len(groups)))
        assert all(place != index for index, place in enumerate(target))
        inside = sum(groups[place] == groups[index] for index, place in enumerate(target))
        assert inside == max(0, 2 * max(groups.count(g) for g in groups) - len(groups))


def test_deranging_needs_two():
    with pytest.raises(DataError, match="two samples or more, got 1"):
        derange("a", random.Random(0))


def test_shuffled_questions_are_the_same_questions_asked_of_others(samples):
    shuffled = shuffled_questions(samples, seed=3)
    assert sorted(s.question for s in shuffled) == sorted(s.question for s in samples)
    for before, after in zip(samples, shuffled, strict=True):
        assert before.category not in after.question and replace(after, question=before.question) == before
    assert shuffled_questions(samples, seed=3) == shuffled


def test_another_seed_deranges_otherwise():
    assert (
        derange("ab" * 20, random.Random(1))
        == derange("ab" * 20, random.Random(1))
        != derange("ab" * 20, random.Random(2))
    )


def test_swapped_images_are_of_another_case_and_carry_the_truth_along(samples):
    truths, sizes = [sample.truth() for sample in samples], [(80, 60)] * len(samples)
    swapped = swapped_images(samples, truths, sizes)
    for before, after, truth in zip(samples, swapped, truths, strict=True):
        assert after.image != before.image and after.question == before.question and after.box == truth.box
    wide = swapped_images(samples[:2], truths[:2], [(80, 60), (160, 30)])
    x1, y1, x2, y2 = truths[0].box
    assert wide[0].image == samples[1].image and wide[0].box == (x1 * 2, y1 / 2, x2 * 2, y2 / 2)


def test_images_are_swapped_within_a_kind_where_it_has_two_cases():
    def sample(number: int, category: str, modality: str, case: str) -> Sample:
        return Sample(str(number), f"{number}.png".encode(), None, "?", modality, category, case)

    listed = [
        *(sample(i, "liver", "CT", f"case {i}") for i in range(4)),
        sample(4, "spleen", "CT", "case 4"),
        *(sample(5 + i, "naevus", "Dermoscopy", "case 5") for i in range(30)),
    ]
    truth = Grounding((1, 2, 3, 4), ((1, 2), (3, 4)))
    swapped = swapped_images(listed, [truth] * 35, [(50, 50)] * 35)
    source = {s.image: s for s in listed}
    partners = [source[s.image] for s in swapped]
    assert all(kind(partner) == kind(s) for s, partner in zip(listed[:4], partners[:4], strict=True))
    assert partners[4].modality == "CT"
    assert all(partner.case != s.case for s, partner in zip(listed, partners, strict=True))
    with pytest.raises(DataError, match="two cases or more; all 30 are of 'case 5'"):
        swapped_images(listed[5:], [truth] * 30, [(50, 50)] * 30)

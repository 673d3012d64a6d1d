"""Which target a reasoning names."""

import random

import pytest

from medreasoner.data.taxonomy import categories
from medreasoner.text.targets import named_target


@pytest.mark.parametrize(
    "think, name",
    [
        (
            "That describes an intracranial haemorrhage. It is expected in a lobe or a ventricle.",
            "intracranial haemorrhage",
        ),
        ("Food passes from the oesophagus into the stomach. The liver lies beside it.", "stomach"),
        ("The organ of this side that makes urine is the left kidney.", "left kidney"),
        ("I first look at the margins. This points to a calcified nodule in the wall.", "calcified nodule"),
        ("It is dark and round.", None),
        ("", None),
    ],
)
def test_the_target_is_named_as_the_reasoning_names_it(think, name):
    assert named_target(think) == name


def test_a_meaning_of_the_table_names_its_own_category():
    draw = random.Random(0)
    wrong = []
    for category in categories().values():
        for sentence in draw.sample(category.meaning, min(3, len(category.meaning))):
            said = sentence.format(name=category.name, side="left", image_side="right", other_side="right")
            if category.name not in (named_target(said) or ""):
                wrong.append((category.name, said))
    assert len(wrong) <= 0.05 * 3 * len(categories()), wrong[:10]

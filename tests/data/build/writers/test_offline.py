"""Questions of the offline writer: one of the table's, its sides filled in, as other hands would type it."""

import random

import pytest

from medreasoner.data.build.writers.base import WriterError
from medreasoner.data.build.writers.offline import vary, wording
from medreasoner.data.category import Category
from medreasoner.data.taxonomy import categories

PAIRED = ["Which one on the {side}?", "Which one in the {image_side} half?"]


def test_another_hand_still_asks_the_same_thing():
    rng = random.Random(0)
    made = {vary("Which bright spot on the scan explains the fever of this patient?", rng) for _ in range(60)}
    assert len(made) > 25
    kept = ("bright", "spot", "scan", "fever", "patient")
    assert all(sum(word in text.lower() for word in kept) >= 4 for text in made)


def test_a_tail_is_not_said_twice():
    rng = random.Random(0)
    made = {vary("Where is it?", rng).lower() for _ in range(300)}
    assert not any(text.count("where") > 1 for text in made)


def test_only_known_sides_are_asked_for():
    category, rng = Category("kidney", "other", region="sides"), random.Random(0)
    assert {wording(category, PAIRED, rng, "left", "right") for _ in range(40)} == {
        "Which one on the left?",
        "Which one in the right half?",
    }
    assert {wording(category, PAIRED, rng, "", "left") for _ in range(40)} == {"Which one in the left half?"}
    with pytest.raises(WriterError, match="no wording for kidney where its side is not known"):
        wording(category, PAIRED, rng)


def test_every_pair_of_the_table_can_be_asked_for_by_either_side():
    for category in (each for each in categories().values() if each.region == "sides"):
        for wordings in (category.questions, category.held_out, category.held_back):
            for side, image_side in (("left", ""), ("", "right")):
                assert "{" not in wording(category, wordings, random.Random(0), side, image_side)

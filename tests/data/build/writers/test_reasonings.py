"""Reasonings are whole, true of what was measured, name their target, and keep to 35 to 80 words, whatever is
drawn.
"""

import random
import re
from itertools import product

import pytest

from medreasoner.data.build.measuring import BRIGHTNESS, MARGINS, SHAPES, Measured
from medreasoner.data.build.writers.reasonings import FEWEST, MOST, beside, reasoning, seen
from medreasoner.data.category import Category
from medreasoner.data.taxonomy import categories
from medreasoner.text.places import HEIGHTS, SIDES, SIZES, claimed_place, claimed_size

TABLE = categories()
NEAR = (
    ("above and to the right of", "the transition zone of the prostate"),
    ("inside", "the fetal head in labour"),
)


def drawn(rng: random.Random) -> Measured:
    words = [rng.choice(each) for each in (SIDES, HEIGHTS, SIZES, SHAPES, BRIGHTNESS, MARGINS)]
    return Measured(*words, NEAR[: rng.randrange(3)])


def sides_of(category: Category) -> list[tuple[str, str]]:
    if category.region != "sides":
        return [("", "")]
    return [(side, shown) for side in ("left", "right", "") for shown in ("left", "right", "")]


@pytest.mark.parametrize("group", range(4))
def test_every_reasoning_is_of_35_to_80_words_and_names_its_target(group):
    for category in list(TABLE.values())[group::4]:
        rng = random.Random(category.name)
        for side, shown in sides_of(category):
            for _ in range(40):
                text = reasoning(category, drawn(rng), rng, side, shown)
                assert FEWEST <= len(text.split()) <= MOST, text
                assert category.called(side).lower() in text.lower() and not re.search(r"[{}]|  ", text), text


def test_what_was_measured_is_always_said():
    category, rng = TABLE["liver"], random.Random(0)
    for side, height, size in product(SIDES, HEIGHTS, SIZES):
        text = reasoning(
            category,
            Measured(side, height, size, *(w[0] for w in (SHAPES, BRIGHTNESS)), MARGINS[1], NEAR),
            rng,
        )
        assert claimed_place(text) == (side, height) and claimed_size(text) == size


def test_long_sentences_are_left_out_before_what_was_measured():
    long = [f"The thing is {'very ' * 25}long here."]
    category = Category("thing", "other", meaning=long, appearance=long, location=long, alternatives=long)
    for seed in range(40):
        text = reasoning(category, drawn(random.Random(seed)), random.Random(seed))
        assert len(text.split()) <= MOST and claimed_place(text) and text.count("long here") <= 2


def test_short_sentences_are_made_up_for():
    short = [f"Short {word}." for word in ("one", "two", "three", "four", "five", "six")]
    category = Category(
        "thing", "other", meaning=["A thing."], appearance=short, location=short, alternatives=short
    )
    plain = Measured("centre", "middle", "small", SHAPES[2], BRIGHTNESS[2])
    assert all(len(reasoning(category, plain, random.Random(seed)).split()) >= FEWEST for seed in range(30))


def test_a_side_that_is_not_known_is_never_spoken_of():
    for category in (each for each in TABLE.values() if each.region == "sides"):
        for shown in ("", "left"):
            for seed in range(60):
                measured = Measured("centre", "middle", "small", SHAPES[2], BRIGHTNESS[2])
                text = reasoning(category, measured, random.Random(seed), "", shown)
                assert f"left {category.name}" not in text and f"right {category.name}" not in text
                assert "patient's left" not in text and "patient's right" not in text and "the  " not in text


def test_both_sides_are_said_where_both_are_known():
    measured = Measured("right", "middle", "small", SHAPES[2], BRIGHTNESS[2])
    texts = [reasoning(TABLE["kidney"], measured, random.Random(seed), "left", "right") for seed in range(20)]
    assert all(re.search(r"patient's left (is|lies) on the (image's )?right", text) for text in texts)
    assert not any("right kidney" in text.replace("The right kidney looks", "") for text in texts)


def test_neighbours_are_told_as_the_image_is_displayed():
    measured = Measured("left", "upper", "small", SHAPES[0], BRIGHTNESS[0], MARGINS[0], NEAR)
    for seed in range(20):
        text = beside(measured, random.Random(seed))
        assert "above and to the right of the transition zone of the prostate as displayed" in text
        assert "inside the fetal head in labour" in text
    assert beside(Measured("left", "upper", "small", SHAPES[0], BRIGHTNESS[0]), random.Random(0)) == ""


def test_articles_fit_the_words_after_them():
    for seed in range(200):
        rng = random.Random(seed)
        assert not re.search(r"\b(a (even|uneven)|an (small|tiny|large|mid))\b", seen(drawn(rng), rng))


def test_of_few_sentences_only_the_measured_facts_vary_and_the_target_is_named_first():
    plain = Measured("centre", "middle", "small", SHAPES[2], BRIGHTNESS[2], MARGINS[0], NEAR[:1])
    for category in list(TABLE.values())[::5]:
        side = "left" if category.region == "sides" else ""
        drawn_of_one = {
            reasoning(category, plain, random.Random(seed), side, "", choices=1) for seed in range(20)
        }
        assert len(drawn_of_one) <= 2, "how it looks, or where it lies"
        for text in drawn_of_one:
            assert text.startswith(f"The question describes {category.with_article(side)}. "), text
            assert FEWEST <= len(text.split()) <= MOST, text

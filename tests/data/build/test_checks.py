"""Every check fires on what it is for, and on nothing else."""

import numpy as np
import pytest

from medreasoner.data.build import checks as check
from medreasoner.data.build.checks import plain, problems, wrong_side
from medreasoner.data.build.writers.base import Words
from medreasoner.data.category import Category
from medreasoner.data.taxonomy import categories
from medreasoner.geometry import mask_to_box, mask_to_points

MASK = np.zeros((100, 100), bool)
MASK[10:30, 5:30] = True  # upper left, 5 % of the image: small
TARGET = {
    "name": "colorectal polyp",
    "box": list(mask_to_box(MASK)),
    "points": [list(p) for p in mask_to_points(MASK)],
}
POLYP = categories()["colorectal polyp"]
GOOD = Words(
    "What would you snare here?",
    "This points to a colorectal polyp. It shows in the upper left of the image, small and bright.",
)


def found(
    words: Words = GOOD, target: dict = TARGET, mask: np.ndarray = MASK, asked: tuple = ()
) -> list[str]:
    return [problem.reason for problem in problems(words, target, POLYP, mask, set(asked))]


def test_a_good_sample_has_no_problem():
    assert found() == []


@pytest.mark.parametrize(
    "question,reason",
    [
        ("Where is the Polyp?", check.LEAK),
        ("Where is the adenomatous growth?", check.LEAK),
        ("What would you snare on the right side of the image?", check.SIDE),
        ("What would you snare in the lower left of the image?", check.PLACE),
        (" ", check.EMPTY),
        ("What <answer>?", check.TAGS),
    ],
)
def test_a_question_is_refused_for(question, reason):
    assert reason in found(Words(question, GOOD.think))


@pytest.mark.parametrize(
    "think,reason",
    [
        ("It lies in the lower left of the image.", check.PLACE),
        ("It lies in the upper left of the image, large and bright.", check.SIZE),
        ("It is seen on the right half of this picture.", check.SIDE),
        ("It is seen in the bottom left corner of the image.", check.SIDE),
        ("It is on the viewer's right.", check.SIDE),
        ("</think> It is there.", check.TAGS),
    ],
)
def test_a_reasoning_is_refused_for(think, reason):
    assert reason in found(Words(GOOD.question, think))


def test_sides_of_the_patient_are_no_claims_about_the_image():
    right = (70.0, 10.0, 90.0, 30.0)
    for text in (
        "The left lung is meant.",
        "The left atrium on this scan is wide.",
        "It drains the left upper lobe.",
    ):
        assert wrong_side(text, right, (100, 100)) is None
    assert wrong_side("It fills the left half of the film.", right, (100, 100)) == "left half of the film"


def test_the_middle_belongs_to_both_sides():
    middle = (40.0, 10.0, 64.0, 30.0)
    assert wrong_side("left side of the image, right side of the image", middle, (100, 100)) is None


def test_a_loose_box_and_a_point_outside_are_refused():
    assert found(target=TARGET | {"box": [5.0, 10.0, 31.0, 30.0]}) == [check.LOOSE]
    assert found(target=TARGET | {"points": [[10.5, 12.5], [60.5, 50.5]]}) == [check.OUTSIDE]
    assert found(target=TARGET | {"points": [[10.5, 12.5], [100.0, 20.5]]}) == [
        check.OUTSIDE
    ]  # beyond the edge
    assert found(mask=np.zeros_like(MASK)) == [check.LOOSE, check.OUTSIDE, check.OUTSIDE]


def test_a_question_may_come_again_for_another_image_but_not_in_the_same():
    assert plain("What would you SNARE, here?!") == plain(GOOD.question)
    assert found(asked=(plain(GOOD.question),)) == [check.AGAIN]
    assert found(asked=(plain("What would you cut here?"),)) == []


def test_the_offline_wordings_and_phrases_pass_their_own_checks():
    for category in categories().values():
        for side, box in (("left", (5.0, 40.0, 35.0, 60.0)), ("right", (65.0, 40.0, 95.0, 60.0))):
            for question in (*category.questions, *category.held_out):
                other = {"left": "right", "right": "left"}[side]  # as radiologists display it
                text = question.replace("{side}", other).replace("{image_side}", side)
                assert wrong_side(text, box, (100, 100)) is None or category.region != "sides", question


def test_a_target_that_the_taxonomy_does_not_know_is_guarded_by_its_own_name():
    mask = MASK
    words = Words("Where is the gadget?", "There.")
    assert [p.reason for p in problems(words, TARGET, Category("gadget", "other"), mask, set())] == [
        check.LEAK
    ]

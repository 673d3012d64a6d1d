"""Our rewards tell apart what they must: the right place, the right form, reasoning that fits the answer.

python -m pytest tests/rewards/test_ours.py
"""

import numpy as np
import pytest

from medreasoner.rewards import SETS, reward_functions
from medreasoner.rewards.completion import ScoredCompletion
from medreasoner.rewards.ours import points
from medreasoner.rewards.reference import read_reference
from tests.rewards.answers import BOX, POINTS, ROW, THINK, terms, written

MASK = np.zeros((840, 840), bool)
MASK[136:729, 445:708] = np.hypot(*np.meshgrid(np.linspace(-1, 1, 263), np.linspace(-1, 1, 593))) <= 1


def ellipses(images, groundings, sizes):
    """Stands where a segmenter stands: the ellipse in each box."""
    masks = []
    rows, cols = np.mgrid[0.5:840, 0.5:840]
    for grounding in groundings:
        x1, y1, x2, y2 = grounding.box
        masks.append(
            ((cols - (x1 + x2) / 2) / ((x2 - x1) / 2)) ** 2 + ((rows - (y1 + y2) / 2) / ((y2 - y1) / 2)) ** 2
            <= 1
        )
    return masks


def ours(text: str, **row) -> float:
    functions, weights = reward_functions("mask", segment=ellipses)
    columns = {key: [value] for key, value in {"image": None, "mask": MASK, **ROW, **row}.items()}
    return sum(w * f(completions=[text], **columns)[0] for f, w in zip(functions, weights, strict=True))


WRONG = {
    "wrong side": written([132, 136, 395, 729], [306, 273], [245, 455]),
    "whole image": written([0, 0, 840, 840], [420, 300], [420, 540]),
    "nonsense": written([10, 20, 60, 50], [12, 25], [50, 40]),
    "prose": "I see a large lung.",
}


@pytest.mark.parametrize("name", WRONG)
def test_ours_gives_a_wrong_answer_far_less_than_half_of_a_good_one(name):
    good = ours(written([455, 146, 718, 739]))
    assert ours(WRONG[name]) < 0.4 * good


def test_ours_is_full_only_for_the_truth_and_falls_with_the_distance():
    best = sum(SETS["mask"].weights.values())
    assert ours(written()) == pytest.approx(best, abs=0.01)
    shifted = [
        ours(written([445 - s, 136, 708 - s, 729], [534 - s, 273], [595 - s, 455]))
        for s in (0, 20, 80, 200, 400)
    ]
    assert all(a > b + 0.01 for a, b in zip(shifted, shifted[1:], strict=False))


def test_points_are_judged_in_the_mask_in_any_order_and_apart():
    corner = {"first": [450, 140], "second": [700, 720]}  # in the box, outside the ellipse
    inside = terms("mask", written(), mask=None)["points"]
    assert (
        inside == pytest.approx(1)
        and terms("mask", written(first=POINTS[1], second=POINTS[0]), mask=None)["points"] == inside
    )

    def judged(text):
        return points(ScoredCompletion(text, read_reference(BOX, POINTS, [840, 840], MASK)))

    assert judged(written()) == 1
    assert judged(written(**corner)) < 0.5
    assert judged(written(first=[576, 400], second=[577, 401])) < 0.6


def test_the_reasoning_must_say_what_the_answer_shows():
    def said(think: str) -> float:
        return terms("mask", written(think=f"<think>{think}</think>"), mask=None)["consistency"]

    assert said("It lies at mid-height on the right of the image: mid-sized.") == 1
    assert said("It lies at mid-height on the left of the image: mid-sized.") == 0.5
    assert said("It lies in the upper left of the image: tiny.") == 0
    assert said("A large heart is common. It is there.") == 0.5
    assert terms("mask", written(think=""), think=False)["consistency"] == 1


def test_form_is_strict_where_the_published_one_is_not():
    def right(text, **row):
        return terms("mask", text, **row)["form"]

    assert right(written()) == 1 and right(" " + written() + "\n") == 1
    assert (
        right(written(think=""), think=False) == 1
        and right(written(), think=False) == 0
        and right(written(think="")) == 0
    )
    for text in (
        written() + written(),
        written() + " and so",
        written(think="") + THINK,
        written(think=THINK + THINK),
        written().replace('"', "'"),
        written([708, 136, 445, 729]),
        written([445, 136, 900, 729]),
        written(first=POINTS[1]),
        written().replace("445", "NaN"),
        written().replace("445", "true"),
        written().replace("445", "1e999"),
    ):
        assert right(text) == 0, text


def test_a_long_reasoning_costs():
    short, long = written(), written(think=f"<think>{'word ' * 400}</think>")
    assert terms("mask", short)["brevity"] == 1 and 0 < terms("mask", long)["brevity"] < 0.6
    assert terms("mask", "x" * 100_000)["brevity"] == 0


def test_a_group_is_segmented_in_one_call_and_failures_are_not():
    calls = []

    def segment_many(images, groundings, sizes):
        calls.append(list(images))
        return ellipses(images, groundings, sizes)

    functions, _ = reward_functions("mask", segment=segment_many)
    dice = next(f for f in functions if f.__name__ == "mask_dice")
    texts = [written(), "prose", written([0, 0, 100, 100], [5, 5], [50, 50])]
    columns = {key: [value] * 3 for key, value in {**ROW, "mask": MASK}.items()}
    got = dice(completions=texts, image=["a", "b", "c"], **columns)
    assert calls == [["a", "c"]] and got[0] == pytest.approx(1, abs=0.01) and got[1:] == [0, 0]

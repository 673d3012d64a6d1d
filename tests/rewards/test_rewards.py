"""The rewards: the published sets against the published system's own figures, ours against what they must tell apart, all against hostile
completions.

    python -m pytest tests/rewards/test_rewards.py
"""

import json
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreasoner.geometry import EMBEDDED, Grounding, from_image
from medreasoner.rewards import SETS, reward_functions
from medreasoner.rewards.reference import read_reference
from medreasoner.rewards.seg_zero import INTENDED

BOX, POINTS = [445, 136, 708, 729], [[534, 273], [595, 455]]
ROW = {"bbox_2d": BOX, "point_2d": POINTS, "image_wh": [840, 840]}
THINK = "<think>It lies at mid-height on the right of the image: mid-sized, taller than wide.</think>"


def written(box=BOX, first=POINTS[0], second=POINTS[1], think=THINK) -> str:
    return f"{think}<answer>{json.dumps({'bbox': box, 'points_1': first, 'points_2': second})}</answer>"


def terms(name: str, text: str, **row) -> dict[str, float | None]:
    functions, _ = reward_functions(name, paint=no_mask)
    columns = {key: [value] for key, value in {"image": None, **ROW, **row}.items()}
    return {
        f.__name__: f(completions=[[{"role": "assistant", "content": text}]], **columns)[0] for f in functions
    }


def total(name: str, text: str, **row) -> float:
    weights = SETS[name].weights
    return sum(weights[key] * value for key, value in terms(name, text, **row).items() if value is not None)


def no_mask(images, groundings, sizes):
    raise AssertionError("a row without a mask must not be segmented")


# box, points -> iou, dice, box align, box scale, points align, angle, soft total, hard total; run on the published code (GT as above)
PUBLISHED = {
    "exact": (BOX, *POINTS, 1, 1, 1, 1, 1, 1, 4.0, 8.0),
    "box + 20 px": ([465, 156, 728, 749], *POINTS, 0.8981, 1, 0.9957, 1, 1, 1, 3.8981, 7.8938),
    "half width": ([445, 136, 576, 729], *POINTS, 0.5894, 1, 0.8438, 0.2538, 1, 1, 3.5894, 6.6870),
    "points + 40": (BOX, [574, 313], [635, 495], 1, 0.96, 1, 1, 0.991, 1, 3.96, 7.951),
    "points 5 px apart": (BOX, [560, 360], [563, 364], 1, 0.0949, 1, 1, 0.9122, 0.9017, 3.0949, 6.9088),
    "points outside": (BOX, [100, 100], [160, 280], 1, 0.0887, 1, 1, 0.7802, 0.8875, 3.0887, 6.7564),
    "wrong side": (
        [132, 136, 395, 729],
        [306, 273],
        [245, 455],
        0.0887,
        0.0887,
        0.8472,
        0.8875,
        0.8512,
        0.7929,
        2.1774,
        5.5562,
    ),
    "full image": (
        [0, 0, 840, 840],
        [420, 300],
        [420, 540],
        0.398,
        0.3423,
        0.8635,
        0.2694,
        0.8646,
        0.8647,
        2.7403,
        5.6025,
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_figures_come_out_to_four_decimals(name):
    box, first, second, *figures, soft, hard = PUBLISHED[name]
    text = written(box, first, second)
    got = terms("paper-hard", text)
    keys = ("bbox_iou", "points_dice", "bbox_align", "bbox_scale", "points_align", "points_angle")
    assert [round(got[key], 4) for key in keys] == figures
    assert total("paper-soft", text) == pytest.approx(soft, abs=5e-5) and total(
        "paper-hard", text
    ) == pytest.approx(hard, abs=5e-5)


FORMATS = {
    "nothing": ("", 0, 0, 0),
    "think only": ("<think>a</think>", 1, 0, 1),
    "empty object": ("<answer>{}</answer>", 0, 0.4, 0.4),
    "no JSON": ("<think>a</think><answer>none</answer>", 1, 0.2, 1.2),
    "a list": ("<think>a</think><answer>[1, 2]</answer>", 1, 0.2, 1.2),
    "a box of three": (written([1, 2, 3], [1, 2], [3, 4]), 1, 0.6, 1.6812),
    "all malformed": (written([1, 2, 3], [1], [3, 4]), 1, 0.4, 1.4),
    "blank think": (written(think="<think> </think>"), 0.2, 1, 3.2),
    "a fence": ("<think>a</think><answer>```json\n{}\n```</answer>", 1, 0.2, 1.2),
    "the wrong order": (written(think="") + "<think>a</think>", 1, 1, 4),
    "text around": ("well, " + written() + " indeed", 1, 1, 4),
    "twice": (written() + written([0, 0, 1, 1]), 1, 1, 4),
    "single quotes": (written().replace('"', "'"), 1, 1, 4),
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_published_format_figures_come_out(name):
    text, think, seg, soft = FORMATS[name]
    got = terms("paper-soft", text)
    assert (got["format_think"], got["format_seg"]) == (think, seg)
    assert total("paper-soft", text) == pytest.approx(soft, abs=5e-5)


def test_the_base_set_as_released_never_sees_the_box_and_as_intended_does():
    assert terms("paper-base", written()) == {
        "thinking": 1,
        "segment": 1,
        "iou": 0,
        "bbox_l1": 0,
        "points_l1": 1,
    }
    assert total("paper-base-intended", written()) == 5
    assert total("paper-base", written().replace('"', "'")) == 1  # the prompt's own style of quotes
    assert terms("paper-base-intended", written([465, 156, 728, 749])) == {
        "thinking": 1,
        "segment": 1,
        "iou": 1,
        "bbox_l1": 0,
        "points_l1": 1,
    }
    assert terms("paper-base-intended", written(first=[100, 100]))["points_l1"] == 0


def test_the_base_set_reads_the_first_object_and_counts_the_last_pixel():
    text = "{}" + written()
    assert (
        terms("paper-base-intended", text)["segment"] == 1
        and terms("paper-base-intended", text)["thinking"] == 0
    )
    assert terms("paper-base-intended", "{x}" + written())["segment"] == 0
    small = {"bbox_2d": [0, 0, 1, 1], "point_2d": [[0, 0], [1, 1]]}
    assert (
        terms("paper-base-intended", written([0, 0, 2, 1], [0, 0], [1, 1]), **small)["iou"] == 1
    )  # 4 of 6 pixels, not 1 of 2


# --- ours ---

MASK = np.zeros((840, 840), bool)
MASK[136:729, 445:708] = np.hypot(*np.meshgrid(np.linspace(-1, 1, 263), np.linspace(-1, 1, 593))) <= 1


def box_painter(images, groundings, sizes):
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
    functions, weights = reward_functions("mask", paint=box_painter)
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
        case = read_reference(BOX, POINTS, [840, 840], MASK)
        return SETS["mask"].terms["points"](text, case)

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


def test_the_model_s_own_frame_is_converted_in_every_set():
    wh, truth = (400, 300), Grounding((40.0, 30.0, 200.0, 150.0), ((80.0, 60.0), (160.0, 120.0)))
    bbox, points = from_image(truth, EMBEDDED, wh)
    text = written(
        list(bbox),
        *map(list, points),
        think="<think>It is in the upper left of the image: mid-sized.</think>",
    )
    row = {
        "bbox_2d": [list(truth.box)],
        "point_2d": [[list(p) for p in truth.points]],
        "image_wh": [list(wh)],
    }
    for name, best in (("paper-soft", 4), ("paper-hard", 8), ("paper-base-intended", 5), ("mask", 1.9)):
        functions, weights = reward_functions(name, EMBEDDED, paint=no_mask)
        got = [f(completions=[text], image=[None], **row)[0] for f in functions]
        assert sum(w * g for w, g in zip(weights, got, strict=True) if g is not None) == pytest.approx(
            best, abs=0.01
        ), name


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


HOSTILE = {
    "empty": "",
    "100k": "a" * 100_000,
    "100k openings": "<think>" * 15_000 + "<answer>" * 15_000,
    "100k braces": "<answer>" + "{" * 100_000 + "</answer>",
    "deep JSON": "<answer>" + '{"bbox": ' + "[" * 50_000 + "]" * 50_000 + "}</answer>",
    "turns": "<think>" + "</think> " * 12_000,
    "spaces": "<think></think>" + " " * 100_000,
    "big integers": written().replace("445", "9" * 400),
    "unicode digits": written().replace("445", "٤٤٥"),
    "null": "<answer>null</answer>",
    "surrogate": "\ud800" + written(),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("set_name", SETS)
def test_hostile_completions_score_low_and_do_not_stall(set_name, name):
    started = time.process_time()
    got = total(set_name, HOSTILE[name])
    assert time.process_time() - started < 1
    assert 0 <= got <= (0.75 if name != "surrogate" else 1) * total(set_name, written())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9), st.lists, max_leaves=9
)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), ANYTHING)
def test_no_completion_breaks_a_reward(text, value):
    answers = (text, written(value, value, [1, 2], f"<think>{text}</think>"))
    for name in SETS:
        for completion in answers:
            assert all(v is None or 0 <= v <= 1 for v in terms(name, completion).values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e4, 1e4), min_size=8, max_size=8))
def test_every_finite_answer_gets_between_nothing_and_all(numbers):
    text = written(numbers[:4], numbers[4:6], numbers[6:])
    for name in SETS:
        assert all(v is None or 0 <= v <= 1 for v in terms(name, text).values())


def test_a_group_is_segmented_in_one_call_and_failures_are_not():
    calls = []

    def painter(images, groundings, sizes):
        calls.append(list(images))
        return box_painter(images, groundings, sizes)

    functions, _ = reward_functions("mask", paint=painter)
    dice = next(f for f in functions if f.__name__ == "mask_dice")
    texts = [written(), "prose", written([0, 0, 100, 100], [5, 5], [50, 50])]
    columns = {key: [value] * 3 for key, value in {**ROW, "mask": MASK}.items()}
    got = dice(completions=texts, image=["a", "b", "c"], **columns)
    assert calls == [["a", "c"]] and got[0] == pytest.approx(1, abs=0.01) and got[1:] == [0, 0]


def test_unknown_sets_and_a_missing_segmenter_are_refused():
    with pytest.raises(ValueError, match="expected one of paper-soft"):
        reward_functions("best")
    with pytest.raises(ValueError, match="give it a segmenter"):
        reward_functions("mask")


def test_the_intended_base_terms_are_five():
    assert [t.__name__ for t in INTENDED] == ["thinking", "segment", "iou", "bbox_l1", "points_l1"]

"""`train/embedded/endless_rows.py`: rows are the same whenever they are drawn, and hold what they should."""

import random

import numpy as np
import pytest

from medreasoner.geometry import EMBEDDED
from medreasoner.prompts import Prompt
from tests.train.embedded.targets_drawn import picture, target
from train.embedded.endless_rows import Rows, draw_view

PROMPT = Prompt(think="{question}", direct="{question} Answer only.")
SPINE = [
    target(name, box)
    for name, box in (
        ("L5 vertebra", (80.0, 20.0, 120.0, 40.0)),
        ("L4 vertebra", (80.0, 50.0, 120.0, 70.0)),
        ("L4-L5 disc", (80.0, 40.0, 120.0, 50.0)),
    )
]


def rows(*pictures, **options) -> Rows:
    return Rows(pictures, PROMPT, EMBEDDED, **{"turns": 3} | options)


def test_a_row_is_the_same_whenever_it_is_asked_for():
    series = rows(picture(*SPINE), picture(target()))
    first, again = series[7], rows(picture(*SPINE), picture(target()))[7]
    assert first == again and series[8]["conversations"] != first["conversations"]
    assert rows(picture(*SPINE), picture(target()), seed=1)[7] != first


def test_all_targets_of_a_picture_take_turns():
    series = rows(picture(*SPINE, dataset="mri_spine_spider_t2"))
    asked = [
        tuple(each["box01"]) for n in range(60) for each in series[n]["conversations"] if each["present"]
    ]
    assert len(asked) > 120 and len({len(series[n]["conversations"]) for n in range(20)}) == 1
    names = [len({tuple(c["box01"]) for c in series[n]["conversations"] if c["present"]}) for n in range(20)]
    assert all(
        found == sum(c["present"] for c in series[n]["conversations"]) for n, found in enumerate(names)
    )


def test_about_as_many_ask_for_what_is_not_there_as_is_said():
    series = rows(picture(target()))
    absent = [not each["present"] for n in range(200) for each in series[n]["conversations"]]
    assert np.mean(absent) == pytest.approx(0.12, abs=0.05)


def test_of_a_picture_without_targets_only_absence_is_asked():
    assert not any(each["present"] for each in rows(picture())[0]["conversations"])


def test_answers_without_reasoning_are_as_many_as_is_said():
    series = rows(picture(target()), direct_share=0.5)
    direct = [each["prompt"].endswith("only.") for n in range(150) for each in series[n]["conversations"]]
    assert np.mean(direct) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("even,share", [(0.0, 0.1), (0.5, 0.25), (1.0, 0.5)])
def test_rare_sets_are_drawn_more_often_where_that_is_asked_for(even, share):
    rare = [picture(target(), dataset="rare", path=f"rare {n}") for n in range(2)]
    common = [picture(target(), dataset="common", path=f"{n}") for n in range(18)]
    series = rows(*rare, *common, even=even, turns=1)
    drawn = [series[n]["image"].startswith("rare") for n in range(600)]
    assert np.mean(drawn) == pytest.approx(share, abs=0.06)


def test_the_images_of_a_set_are_drawn_as_much_oftener_as_is_said():
    pictures = [picture(target(), dataset=name, path=f"{name} {n}") for name in ("a", "b") for n in range(5)]
    series = rows(*pictures, oftener={"a": 4.0}, turns=1)
    drawn = [series[n]["image"].startswith("a") for n in range(600)]
    assert np.mean(drawn) == pytest.approx(0.8, abs=0.06)


def test_a_view_holds_every_target_that_is_asked_for():
    image = picture(*SPINE, dataset="mri_spine_spider_t2")
    for seed in range(60):
        view = draw_view(image, SPINE[:2], random.Random(seed))
        x1, y1, x2, y2 = view.window
        assert 0 <= x1 < x2 <= 1 + 1e-9 and 0 <= y1 < y2 <= 1 + 1e-9 and not view.mirrored
        for each in SPINE[:2]:
            assert x1 - 1e-9 <= each.box[0] and each.box[2] <= x2 + 1e-9
            assert y1 - 1e-9 <= each.box[1] and each.box[3] <= y2 + 1e-9


def test_one_of_a_pair_is_shown_with_the_other():
    left = target("kidney", (20.0, 40.0, 50.0, 60.0), "right", "left")
    right = target("kidney", (150.0, 40.0, 180.0, 60.0), "left", "right")
    for seed in range(60):
        window = draw_view(picture(left, right), [left], random.Random(seed)).window
        assert window[0] <= left.box[0] + 1e-9 and window[2] >= right.box[2] - 1e-9


def test_only_sets_where_it_could_be_another_patient_are_mirrored():
    mirrored = {
        name: any(draw_view(picture(dataset=name), [], random.Random(n)).mirrored for n in range(40))
        for name in ("kvasir_seg", "ct_abdomen_btcv", "cxr_lungs_mc_shenzhen")
    }
    assert mirrored == {"kvasir_seg": True, "ct_abdomen_btcv": False, "cxr_lungs_mc_shenzhen": False}

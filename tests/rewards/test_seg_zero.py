"""The published base set, as released and as intended.

python -m pytest tests/rewards/test_seg_zero.py
"""

from medreasoner.rewards.seg_zero import INTENDED
from tests.rewards.answers import terms, total, written


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


def test_the_intended_base_terms_are_five():
    assert [t.__name__ for t in INTENDED] == ["thinking", "segment", "iou", "bbox_l1", "points_l1"]

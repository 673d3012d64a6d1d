"""The published sets give the figures that the published code gave, to four decimals.

python -m pytest tests/rewards/test_paper.py
"""

import pytest

from tests.rewards.answers import BOX, POINTS, terms, total, written

# box, points -> iou, dice, box align, box scale, points align, angle, soft total, hard total; run on the
# published code (GT as above)
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

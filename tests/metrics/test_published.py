"""The published formulas: their defects, and a truth with the rewards the released code gave for its answers."""

import math

import pytest
from hypothesis import given

from medreasoner.metrics import paper_box_iou, paper_pdice, point_dice
from tests.metrics.shapes import MANY, pairs

TRUTH_BOX, TRUTH_POINTS = (445, 136, 708, 729), ((534, 273), (595, 455))


@MANY
@given(pairs, pairs)
def test_the_published_pdice_is_twice_the_iou_of_the_circles(points, truth):
    published, true = paper_pdice(points, truth), point_dice(points, truth)
    assert 0 <= published < 2
    if min(math.dist(*points), math.dist(*truth)) > 1:
        assert published == pytest.approx(2 * true / (2 - true), abs=1e-4)


def log_smooth(value: float, valid: float = 1.0) -> float:
    """The published reward's smoothing of a score and its penalty for the mean `valid` of two flags."""
    smooth = 0.9 * math.log(3 * value + 1) / math.log(4) + 0.1
    return round(min(1.0, 0.7 * smooth + 0.3 * smooth * valid), 4)


@pytest.mark.parametrize(
    ("box", "valid", "reward"),
    [
        (TRUTH_BOX, 1, 1.0),
        ((465, 156, 728, 749), 1, 0.8981),
        ((445, 136, 576, 729), 0.5, 0.5894),
        ((132, 136, 395, 729), 0.625, 0.0887),
        ((0, 0, 840, 840), 0.75, 0.398),
    ],
)
def test_box_iou_stands_behind_the_published_rewards(box, valid, reward):
    assert log_smooth(paper_box_iou(box, TRUTH_BOX), valid) == pytest.approx(reward, abs=1e-4)


@pytest.mark.parametrize(
    ("points", "valid", "reward"),
    [
        (TRUTH_POINTS, 1, 1.0),
        (((574, 313), (635, 495)), 1, 0.96),
        (((560, 360), (563, 364)), 0.75, 0.0949),
        (((100, 100), (160, 280)), 0.625, 0.0887),
        (((420, 300), (420, 540)), 0.625, 0.3423),
    ],
)
def test_pdice_stands_behind_the_published_rewards(points, valid, reward):
    assert log_smooth(paper_pdice(points, TRUTH_POINTS), valid) == pytest.approx(reward, abs=1e-4)


def test_the_published_formulas_to_the_last_bit():
    assert paper_box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == 2 / (6 + 1e-6)
    area = math.pi * (math.dist(*TRUTH_POINTS) / 2) ** 2
    assert paper_pdice(TRUTH_POINTS, TRUTH_POINTS) == 2 * area / (area + area - area + 1e-5)
    assert 1.99999 < paper_pdice(TRUTH_POINTS, TRUTH_POINTS) < 2

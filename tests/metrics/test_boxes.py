"""Boxes score as the pixels they hold; agreement is tested with sampling."""

import math

import pytest
from hypothesis import given

from medreasoner.metrics import box_iou, mask_iou, paper_box_iou
from tests.metrics.shapes import MANY, boxes, painted


@MANY
@given(boxes, boxes)
def test_boxes_score_as_the_pixels_they_hold(a, b):
    assert box_iou(a, b) == mask_iou(painted(a), painted(b)) == box_iou(b, a)
    assert paper_box_iou(a, b) == pytest.approx(box_iou(a, b), abs=1e-6)
    assert box_iou(a, a) == 1
    assert paper_box_iou(a, a) < 1


def test_touching_boxes_do_not_overlap():
    assert box_iou((0, 0, 4, 4), (4, 0, 8, 4)) == 0


@pytest.mark.parametrize("box", [(3, 3, 3, 9), (9, 3, 3, 9), (9, 9, 3, 3)])
def test_a_box_without_area_has_no_overlap_with_anything(box):
    assert box_iou(box, box) == 0
    assert box_iou(box, (0, 0, 9, 9)) == 0
    assert paper_box_iou(box, (0, 0, 9, 9)) == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("score", [box_iou, paper_box_iou])
def test_a_coordinate_that_is_no_number_is_an_error_and_not_a_missing_value(score, bad):
    with pytest.raises(ValueError, match="finite"):
        score((0, 0, bad, 1), (0, 0, 9, 9))

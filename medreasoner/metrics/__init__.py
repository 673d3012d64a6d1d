"""Scores of one prediction against one ground truth, and means over many with a confidence interval.

Boxes are half-open xyxy and points xy, both in pixels of the original image; masks are (H, W) bool. Every
score is a plain float. NaN and infinity are errors here, not missing values: what a failed answer scores
(zero) is decided by the caller.

`published` holds the published system's own formulas, defects included; the other modules hold the usual
definitions. No table mixes the two.
"""

from medreasoner.metrics.boxes import AGREES, Agreement, agreement, box_iou
from medreasoner.metrics.calibration import auroc, calibration_error, risk_at
from medreasoner.metrics.intervals import Interval, paired, ratio, statistic, summary
from medreasoner.metrics.masks import boundary, dice, mask_iou, mask_overlap
from medreasoner.metrics.points import point_dice, points_in_mask
from medreasoner.metrics.published import paper_box_iou, paper_dice, paper_pdice

__all__ = [
    "AGREES",
    "Agreement",
    "Interval",
    "agreement",
    "auroc",
    "boundary",
    "box_iou",
    "calibration_error",
    "dice",
    "mask_iou",
    "mask_overlap",
    "paired",
    "paper_box_iou",
    "paper_dice",
    "paper_pdice",
    "point_dice",
    "points_in_mask",
    "ratio",
    "risk_at",
    "statistic",
    "summary",
]

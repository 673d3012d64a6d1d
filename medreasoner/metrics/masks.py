"""Overlap of masks, and distances between their boundaries. Masks are (H, W), bool or any numbers (non-zero
is set)."""

import math

import numpy as np
from scipy import ndimage


def mask_iou(mask: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two masks, 0..1; two empty masks agree (1)."""
    inter, union = mask_overlap(mask, truth)
    return inter / union if union else 1.0


def dice(mask: np.ndarray, truth: np.ndarray) -> float:
    """2 |M and T| / (|M| + |T|), 0..1; two empty masks agree (1)."""
    inter, size, truth_size = pixel_counts(mask, truth)
    return 2 * inter / (size + truth_size) if size + truth_size else 1.0


def mask_overlap(mask: np.ndarray, truth: np.ndarray) -> tuple[int, int]:
    """Pixels of the intersection and of the union, for the cumulative IoU of a whole set (sum over sum)."""
    inter, size, truth_size = pixel_counts(mask, truth)
    return inter, size + truth_size - inter


def pixel_counts(mask: np.ndarray, truth: np.ndarray) -> tuple[int, int, int]:
    """Pixels set in both, in `mask`, in `truth`. Errors: ValueError for different shapes."""
    _require_same_shape(mask, truth)
    mask, truth = mask.astype(bool), truth.astype(bool)
    return int(np.count_nonzero(mask & truth)), int(np.count_nonzero(mask)), int(np.count_nonzero(truth))


def boundary(mask: np.ndarray, truth: np.ndarray, tolerance: float) -> tuple[float, float]:
    """(HD95, NSD) of two masks.

    HD95 is the 95th percentile of the distances from one boundary to the other, the worse of both directions,
    in pixels; infinite where only one mask is empty. NSD is the share of both boundaries, 0..1, that lies
    within `tolerance` pixels of the other boundary. A boundary is made of the pixels of a mask that have a
    neighbour outside it. Values equal those of MONAI's compute_hausdorff_distance and compute_surface_dice;
    two empty masks agree (0, 1).
    """
    _require_same_shape(mask, truth)
    if not mask.any() or not truth.any():
        return (math.inf, 0.0) if mask.any() or truth.any() else (0.0, 1.0)
    rows, columns = (np.flatnonzero((mask | truth).any(axis=axis))[[0, -1]] for axis in (1, 0))
    part = slice(rows[0], rows[1] + 1), slice(columns[0], columns[1] + 1)
    edge, truth_edge = (
        one[part] ^ ndimage.binary_erosion(one[part]) for one in (mask.astype(bool), truth.astype(bool))
    )
    to_truth = ndimage.distance_transform_edt(~truth_edge)[edge]
    to_mask = ndimage.distance_transform_edt(~edge)[truth_edge]
    near = np.count_nonzero(to_truth <= tolerance) + np.count_nonzero(to_mask <= tolerance)
    hd95 = max(np.percentile(to_truth, 95), np.percentile(to_mask, 95))
    return float(hd95), near / (len(to_truth) + len(to_mask))


def _require_same_shape(mask: np.ndarray, truth: np.ndarray) -> None:
    if mask.shape != truth.shape:
        raise ValueError(f"the masks must have the same shape, got {mask.shape} and {truth.shape}")

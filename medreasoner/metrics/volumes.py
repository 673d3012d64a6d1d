"""Scores of a mask in space: masks are (D, H, W), and distances are in millimetres."""

import numpy as np
from scipy import ndimage


def surface_dice(
    mask: np.ndarray, truth: np.ndarray, spacing_mm: tuple[float, float, float], tolerance_mm: float
) -> float:
    """NSD: the share of both surfaces, 0..1, that lies within `tolerance_mm` of the other one.

    A surface is made of the voxels of a mask that have a neighbour outside it; two empty masks agree (1).

    Args:
        spacing_mm: of a voxel, along the three axes.
    """
    if mask.shape != truth.shape:
        raise ValueError(f"the masks must have the same shape, got {mask.shape} and {truth.shape}")
    if not mask.any() or not truth.any():
        return float(not mask.any() and not truth.any())
    both = mask | truth
    part = tuple(
        slice(*(np.flatnonzero(both.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] + (0, 1)))
        for axis in range(3)
    )
    surface, truth_surface = (one[part] & ~ndimage.binary_erosion(one[part]) for one in (mask, truth))
    to_truth = ndimage.distance_transform_edt(~truth_surface, spacing_mm)[surface]
    to_mask = ndimage.distance_transform_edt(~surface, spacing_mm)[truth_surface]
    near = np.count_nonzero(to_truth <= tolerance_mm) + np.count_nonzero(to_mask <= tolerance_mm)
    return near / (len(to_truth) + len(to_mask))

"""How large the target of a mask is, in millimetres."""

import numpy as np
from scipy.spatial import ConvexHull
from scipy.spatial.distance import pdist


def long_axis_mm(mask: np.ndarray, spacing_mm: tuple[float, float]) -> float:
    """The longest diameter of a mask (H, W) bool, from corner to corner of its pixels; 0 of an empty one.

    Args:
        spacing_mm: of a pixel, (down, to the right).
    """
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return 0.0
    corners = np.concatenate(
        [np.stack([rows + down, columns + right], 1) for down in (0, 1) for right in (0, 1)]
    )
    corners = corners * np.asarray(spacing_mm)
    corners = corners[
        ConvexHull(corners).vertices
    ]  # a pixel has four corners, so that they never lie on a line
    return float(pdist(corners).max())


def longest_axis_mm(mask: np.ndarray, spacing_mm: tuple[float, float, float]) -> float:
    """The longest of `long_axis_mm` over the slices of a mask (D, H, W), as lesions are measured (RECIST
    1.1).
    """
    return max((long_axis_mm(each, spacing_mm[1:]) for each in mask if each.any()), default=0.0)

"""Puts DICOM slices in order along their stack, and refuses what is no even, straight stack.

Standard: DICOM PS3.3, C.7.6.2 (Image Plane).
"""

import numpy as np

from medreasoner.imaging.types import ImageError

EVEN = 0.1  # of the usual distance between slices: the most by which one distance may differ
SAME = 0.01  # of the usual distance: two slices closer than this lie at one place
UPRIGHT = 0.045  # tangent of the angle between the stack and the slices' normal: 2.6 degrees
PARALLEL = 1e-3  # the most by which a direction cosine may differ from slice to slice


def stack_order(places: np.ndarray, orientations: np.ndarray) -> tuple[np.ndarray, float]:
    """The order of slices along the normal of their planes, and the distance between neighbours.

    Args:
        places: (N, 3) ImagePositionPatient, mm.
        orientations: (N, 6) ImageOrientationPatient.

    Returns: indices (N,) from the least to the greatest position, and mm from slice to slice; 0 for a single
        one.
    Errors: ImageError for slices that are not parallel, shifted against each other (a tilted gantry), twice
        there or not evenly apart.
    """
    if np.ptp(orientations, axis=0).max() > PARALLEL:
        raise ImageError(
            "The slices do not lie in parallel (is a scout among them?); give one stack of parallel slices."
        )
    across, down = orientations[0].reshape(2, 3)
    if not np.allclose((across @ across, down @ down, across @ down), (1, 1, 0), atol=0.01):
        raise ImageError(f"The orientation of the slices is none: {orientations[0].tolist()}.")
    normal = np.cross(across, down)
    positions = places @ normal
    order = np.argsort(positions, kind="stable")
    steps = np.diff(positions[order])
    if not len(steps):
        return order, 0.0
    usual = float(np.median(steps))
    doubled = int((steps <= SAME * max(usual, SAME)).sum())
    if doubled:
        raise ImageError(
            f"{doubled} of the {len(places)} slices lie where another one does (two series or moments in one "
            "folder?); give each stack a folder of its own."
        )
    sideways = np.diff(places[order], axis=0) - steps[:, None] * normal
    if (np.linalg.norm(sideways, axis=1) > UPRIGHT * steps).any():
        raise ImageError(
            "The slices are shifted against each other (a tilted gantry?); resample them to a straight stack."
        )
    uneven = np.flatnonzero(np.abs(steps - usual) > EVEN * usual)
    if len(uneven):
        at = int(uneven[0])
        raise ImageError(
            f"The slices are not evenly apart: after slice {at + 1} of {len(places)} come {steps[at]:.4g} "
            f"mm, elsewhere {usual:.4g} mm; a slice is missing there, or two series are mixed."
        )
    return order, float(steps.mean())

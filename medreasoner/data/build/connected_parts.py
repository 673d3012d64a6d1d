"""The connected parts of a mask: the one that stands out, or the two of a pair."""

import numpy as np
from scipy import ndimage

SINGLE = 1.5  # the largest part is so many times larger than the next, else nobody could tell which is meant
OF_A_PAIR = 0.25  # of the larger organ: what is smaller is no second one, and no third that matters


def largest(mask: np.ndarray) -> np.ndarray | str:
    """The largest connected region of a mask (H, W) bool, or why none stands out."""
    labels, sizes, order = _parts(mask)
    if len(sizes) > 1 and sizes[order[0]] < SINGLE * sizes[order[1]]:
        return "several regions of like size"
    return labels == order[0] + 1


def pair(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | str:
    """The two organs of one class (H, W) bool, that on the image's left first, or why there are not two."""
    labels, sizes, order = _parts(mask)
    if (
        len(sizes) < 2
        or sizes[order[1]] < OF_A_PAIR * sizes[order[0]]
        or (len(sizes) > 2 and sizes[order[2]] > OF_A_PAIR * sizes[order[1]])
    ):
        return "not two separate organs"
    two = (labels == order[i] + 1 for i in (0, 1))
    left, right = sorted(two, key=lambda region: np.flatnonzero(region.any(axis=0)).mean())
    return left, right


def _parts(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(labels (H, W) int from 1, pixels of each part, indices of the parts from the largest to the smallest);
    pixels that touch at a corner belong together.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    return labels, sizes, np.argsort(sizes)[::-1]

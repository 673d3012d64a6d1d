"""Removes specks and pinholes from a mask, on its logits.

SAM 2's own post-processing does this with a CUDA kernel (`max_hole_area`, `max_sprinkle_area`); here it runs
on any machine and relative to the size of the mask. Nothing is smoothed: every region that stays keeps its
outline.
"""

import numpy as np
from scipy import ndimage

FLIPPED = 0.5  # logit of a pixel that was changed, or its negative: just over the threshold


def tidy(logits: np.ndarray, share: float) -> np.ndarray:
    """The logits with regions smaller than `share` of the mask flipped: first holes to foreground, then
    specks to background; a speck inside a hole is filled over with it.

    Args:
        logits: (H, W) float, the mask where positive.
        share: 0..1 of the mask's area; 0 changes nothing.
    """
    mask = logits > 0
    limit = share * mask.sum()
    holes = _small(~mask, limit)
    specks = _small(mask | holes, limit)
    out = np.where(holes, FLIPPED, logits)
    return np.where(specks, -FLIPPED, out)


def _small(mask: np.ndarray, limit: float) -> np.ndarray:
    """(H, W) bool: the connected regions of `mask` with fewer pixels than `limit`."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = max(sizes[0], int(limit) + 1)
    return mask & (sizes < limit)[labels]

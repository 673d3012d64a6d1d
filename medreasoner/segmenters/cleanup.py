"""Specks and pinholes out of a mask, on its logits.

Is: what SAM 2's own post-processing does with its CUDA kernel (`max_hole_area`, `max_sprinkle_area`), on any machine and relative to the
size of the mask. Is not: smoothing; every region that matters keeps its outline.
"""

import numpy as np
from scipy import ndimage

NUDGE = 0.5  # logit given to what was flipped: over the border, not far


def tidy(logits: np.ndarray, share: float) -> np.ndarray:
    """Flip regions smaller than `share` of the mask: holes to foreground, then foreground specks to background; a speck in a hole is filled
    over with it.

    Args:
        logits: (H, W) float, the mask where positive.
        share: 0..1 of the mask's area; 0 changes nothing.
    """
    mask = logits > 0
    limit = share * mask.sum()
    holes = _small(~mask, limit)
    specks = _small(mask | holes, limit)
    out = np.where(holes, NUDGE, logits)
    return np.where(specks, -NUDGE, out)


def _small(mask: np.ndarray, limit: float) -> np.ndarray:
    """(H, W) bool: the connected regions of `mask` with fewer pixels than `limit`."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = max(sizes[0], int(limit) + 1)
    return mask & (sizes < limit)[labels]

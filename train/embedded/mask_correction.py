"""The click of a user who corrects a mask: in the middle of the largest region where found and true mask
differ."""

import numpy as np
import torch
from scipy import ndimage

from train.embedded.sam2 import SIDE as INPUT_SIDE

INSIDE = 0.5  # share of a pixel from which it counts as target


def correction(found: np.ndarray, truth: np.ndarray) -> tuple[tuple[float, float], int]:
    """((x, y) as shares of the sides, 1 to include or 0 to exclude), from two masks (H, W) bool.

    The click is the point deepest inside the difference; where the masks are equal, the point deepest inside
    the target.
    """
    depths = [_depth(wrong) for wrong in (found & ~truth, truth & ~found)]
    label = int(depths[1].max() >= depths[0].max())
    depth = depths[label] if depths[label].any() else _depth(truth)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return ((x + 0.5) / truth.shape[1], (y + 0.5) / truth.shape[0]), label


def _depth(region: np.ndarray) -> np.ndarray:
    """(H, W) float: distance in pixels from the region's edge, which the border of the image is too; 0
    outside."""
    return ndimage.distance_transform_edt(np.pad(region, 1))[1:-1, 1:-1]


def corrections(logits: torch.Tensor, truth: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A click for each mask of a batch: (B, 1, 1, 2) float in pixels of the 512 px input, (B, 1, 1) int
    label.

    Args:
        logits: (B, S, S), above 0 inside the found mask.
        truth: (B, S, S) float, above 0.5 inside the true mask.
    """
    pairs = zip((logits > 0).numpy(), (truth > INSIDE).numpy(), strict=True)
    clicks = [correction(found, true) for found, true in pairs]
    places = torch.tensor([place for place, _ in clicks], dtype=torch.float32) * INPUT_SIDE
    return places[:, None, None], torch.tensor([label for _, label in clicks])[:, None, None]

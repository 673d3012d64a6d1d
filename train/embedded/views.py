"""What a training row shows of its image: a window of it, mirrored or not, and what follows for boxes, masks
and features.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage

GRID = 16  # image tokens a side
WHOLE = (0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """What a row shows of its image: a window xyxy as shares of the sides, mirrored left to right or not."""

    window: tuple[float, float, float, float] = WHOLE
    mirrored: bool = False

    def points(self, points: np.ndarray) -> np.ndarray:
        """Points (N, 2) of the image as shares of the view."""
        x1, y1, x2, y2 = self.window
        moved = (np.asarray(points, float) - [x1, y1]) / [x2 - x1, y2 - y1]
        return np.stack([1 - moved[:, 0], moved[:, 1]], 1) if self.mirrored else moved

    def box(self, box: np.ndarray) -> np.ndarray:
        """A box (4,) of the image as shares of the view, cut at its edges."""
        corners = self.points(np.reshape(box, (2, 2))).clip(0, 1)
        return np.concatenate([corners.min(0), corners.max(0)])


UNCHANGED = View()


def coverage_of(mask: np.ndarray, grid: int = GRID, view: View = UNCHANGED) -> np.ndarray:
    """(grid, grid) float32: the mean of a mask (H, W), 0..1, over each cell of a grid laid over the view; the
    grid need not divide it.
    """
    height, width = mask.shape
    x1, y1, x2, y2 = view.window
    sums = np.pad(mask.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows, cols = (
        np.linspace(y1 * height, y2 * height, grid + 1),
        np.linspace(x1 * width, x2 * width, grid + 1),
    )
    corner = ndimage.map_coordinates(sums, np.meshgrid(rows, cols, indexing="ij"), order=1, mode="nearest")
    inside = corner[1:, 1:] - corner[:-1, 1:] - corner[1:, :-1] + corner[:-1, :-1]
    cell = height * (y2 - y1) * width * (x2 - x1) / grid**2
    found = (inside / cell).clip(0, 1).astype(np.float32)
    return found[:, ::-1].copy() if view.mirrored else found


def shown(stage_3: torch.Tensor, view: View) -> torch.Tensor:
    """The part of a map (32, 32, C) that a view shows, at its own size: what the tower would make of it,
    nearly, and free.
    """
    x1, y1, x2, y2 = view.window
    if view.window != WHOLE:
        size = stage_3.shape[0]
        ys, xs = (
            low + (torch.arange(size) + 0.5) / size * (high - low) for low, high in ((y1, y2), (x1, x2))
        )
        grid = torch.stack(torch.meshgrid(xs * 2 - 1, ys * 2 - 1, indexing="xy"), -1)[None].float()
        moved = F.grid_sample(
            stage_3.permute(2, 0, 1)[None], grid, padding_mode="border", align_corners=False
        )
        stage_3 = moved[0].permute(1, 2, 0)
    return stage_3.flip(1) if view.mirrored else stage_3

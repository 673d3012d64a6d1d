"""What is measured of a mask: its long and short axis, as RECIST counts them, and the grey values inside."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

from medreasoner.imaging import LoadedImage


class Axes(NamedTuple):
    """Of the largest connected part of a mask, in mm where the spacing is known, else in pixels.

    Args:
        long: its longest diameter. short: the longest diameter at right angles to that (RECIST 1.1,
            Eisenhauer et al. 2009).
        lines: both from end to end, (x1, y1, x2, y2) in pixels of the image.
    """

    long: float
    short: float
    lines: tuple[tuple[float, ...], tuple[float, ...]]


class GreyValues(NamedTuple):
    """Mean and standard deviation of the grey values in a mask, in `unit`: "HU", or "" for shown grey, 0 to
    255."""

    mean: float
    spread: float
    unit: str


def axes(mask: np.ndarray, spacing_mm: tuple[float, float] | None = None) -> Axes | None:
    """Axes of a mask (H, W) bool; None for an empty one. `spacing_mm` is the size (x, y) of a pixel."""
    labels, count = ndimage.label(mask)
    if not count:
        return None
    largest = np.argmax(np.bincount(labels.ravel())[1:]) + 1
    rows, columns = np.nonzero(labels == largest)
    sx, sy = spacing_mm or (1.0, 1.0)
    pixel = (sx + sy) / 2
    points = np.stack([columns * sx, rows * sy], axis=1)
    ends = _hull(points)
    far = cdist(ends, ends)
    first, second = np.unravel_index(np.argmax(far), far.shape)
    length = far[first, second]
    direction = (ends[second] - ends[first]) / length if length else np.array([1.0, 0.0])
    along = np.floor((points @ direction) / pixel).astype(int)
    across = points @ np.array([-direction[1], direction[0]])
    order = np.argsort(along, kind="stable")
    starts = np.flatnonzero(np.diff(along[order], prepend=along[order][0] - 1))
    across = across[order]
    low, high = np.minimum.reduceat(across, starts), np.maximum.reduceat(across, starts)
    widest = np.argmax(high - low)
    normal = np.array([-direction[1], direction[0]])
    crossing = direction * ((along[order][starts][widest] + 0.5) * pixel)
    short = crossing + normal * low[widest], crossing + normal * high[widest]
    lines = (
        _line(ends[first], ends[second], direction * pixel, (sx, sy)),
        _line(*short, normal * pixel, (sx, sy)),
    )
    return Axes(float(length + pixel), float(high[widest] - low[widest] + pixel), lines)


def _line(
    start: np.ndarray, end: np.ndarray, step: np.ndarray, spacing: tuple[float, float]
) -> tuple[float, ...]:
    """From the centres of two pixels, in units of `spacing`, to a line from edge to edge, in pixels; `step`
    is one pixel along it."""
    points = np.stack([start - step / 2, end + step / 2]) / spacing + 0.5
    return tuple(float(value) for value in points.ravel())


def _hull(points: np.ndarray) -> np.ndarray:
    """The corners of the points' convex hull; all points where they lie on one line."""
    try:
        return points[ConvexHull(points).vertices] if len(points) > 3 else points
    except QhullError:
        return points


def grey_values(loaded: LoadedImage, mask: np.ndarray) -> GreyValues | None:
    """Of the image's own values where it has them, else of the shown grey; None for an empty mask and for a
    colour picture."""
    if not mask.any():
        return None
    if loaded.values is not None and loaded.values.shape == mask.shape:
        inside = loaded.values[mask].astype(float)
        inside = inside[np.isfinite(inside)]
        return GreyValues(float(inside.mean()), float(inside.std()), loaded.unit) if inside.size else None
    pixels = np.asarray(loaded.image)
    if (pixels[..., 0] != pixels[..., 1]).any() or (pixels[..., 0] != pixels[..., 2]).any():
        return None
    inside = pixels[..., 0][mask].astype(float)
    return GreyValues(float(inside.mean()), float(inside.std()), "")

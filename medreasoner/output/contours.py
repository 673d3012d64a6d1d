"""Contours of a mask along the edges of its pixels, as arrays of corners and as one SVG path."""

import numpy as np

Corner = tuple[int, int]


def contours(mask: np.ndarray) -> list[np.ndarray]:
    """Every contour of `mask` (H, W) bool, those of holes included.

    Returns: (N, 2) int arrays of xy corners of pixels (x right, y down; the first pixel's corners are 0 and
        1), one step of 1 pixel from each to the next, the inside on the right, the first corner repeated at
        the end. Regions that touch at a corner may share one contour.
    """
    edges = _edges(mask)
    closed = []
    while edges:
        start = next(iter(edges))
        corners = [start, _take(edges, start)]
        while corners[-1] != start:
            corners.append(_take(edges, corners[-1]))
        closed.append(np.array(corners))
    return closed


def svg_path(mask: np.ndarray) -> str:
    """All contours of `mask` as SVG path data in image pixels; "" for an empty mask.

    Filled by the even-odd rule, the path covers exactly the pixels of the mask, at any zoom.
    """
    return "".join(_svg_subpath(contour) for contour in contours(mask))


def _edges(mask: np.ndarray) -> dict[Corner, list[Corner]]:
    """Start -> ends of the pixel edges between inside and outside, directed so that the inside is on the
    right.
    """
    padded = np.pad(mask.astype(np.int8), 1)
    # (H + 1, W): 1 where the row above is outside, that below inside
    horizontal = np.diff(padded, axis=0)[:, 1:-1]
    vertical = np.diff(padded, axis=1)[1:-1]  # (H, W + 1)
    edges: dict[Corner, list[Corner]] = {}
    for y, x in np.argwhere(horizontal).tolist():
        start, end = ((x, y), (x + 1, y)) if horizontal[y, x] > 0 else ((x + 1, y), (x, y))
        edges.setdefault(start, []).append(end)
    for y, x in np.argwhere(vertical).tolist():
        start, end = ((x, y + 1), (x, y)) if vertical[y, x] > 0 else ((x, y), (x, y + 1))
        edges.setdefault(start, []).append(end)
    return edges


def _take(edges: dict[Corner, list[Corner]], start: Corner) -> Corner:
    """Remove an edge that begins at `start` and return its end."""
    ends = edges[start]
    end = ends.pop()
    if not ends:
        del edges[start]
    return end


def _svg_subpath(contour: np.ndarray) -> str:
    """A closed contour with its straight runs joined: a move, then horizontal and vertical lines."""
    steps = np.diff(contour, axis=0)
    turns = contour[:-1][(steps != np.roll(steps, 1, axis=0)).any(axis=1)].tolist()
    x, y = turns[0]
    parts = [f"M{x} {y}"]
    for next_x, next_y in turns[1:]:
        parts.append(f"h{next_x - x}" if next_y == y else f"v{next_y - y}")
        x, y = next_x, next_y
    return "".join(parts) + "z"

"""The outline of a mask as one SVG path, exact to the pixel.

Is: boolean mask -> path data for outline and even-odd fill at any zoom. Is not: a drawing; `draw.py` paints raster overlays.
"""

import numpy as np

Corner = tuple[int, int]


def outline(mask: np.ndarray) -> str:
    """SVG path data around every region and hole of `mask` (H, W) bool, in image pixels: x right, y down, corners of pixels.

    The path runs along pixel edges only, so that filling it even-odd paints exactly the pixels of the mask. "" for an empty mask.
    """
    after = _edges(mask)
    loops = []
    while after:
        start = next(iter(after))
        loops.append(_loop(after, start))
    return "".join(loops)


def _edges(mask: np.ndarray) -> dict[Corner, list[Corner]]:
    """Every pixel edge between inside and outside, from corner to corner, with the inside on its right."""
    padded = np.pad(mask.astype(np.int8), 1)
    across = np.diff(padded, axis=0)[
        :, 1:-1
    ]  # (H + 1, W): 1 where a row above is outside and the row below inside
    along = np.diff(padded, axis=1)[1:-1]  # (H, W + 1)
    after: dict[Corner, list[Corner]] = {}
    for y, x in np.argwhere(across).tolist():
        a, b = ((x, y), (x + 1, y)) if across[y, x] > 0 else ((x + 1, y), (x, y))
        after.setdefault(a, []).append(b)
    for y, x in np.argwhere(along).tolist():
        a, b = ((x, y + 1), (x, y)) if along[y, x] > 0 else ((x, y), (x, y + 1))
        after.setdefault(a, []).append(b)
    return after


def _loop(after: dict[Corner, list[Corner]], start: Corner) -> str:
    """Walk one closed loop out of `after`, taking its edges away, and write it with straight runs joined."""
    corners = [start]
    here = _take(after, start)
    while here != start:
        corners.append(here)
        here = _take(after, here)
    around = zip([corners[-1], *corners], corners, [*corners[1:], start], strict=False)
    turns = [corner for before, corner, then in around if not _straight(before, corner, then)]
    x, y = turns[0]
    parts = [f"M{x} {y}"]
    for to_x, to_y in turns[1:]:
        parts.append(f"h{to_x - x}" if to_y == y else f"v{to_y - y}")
        x, y = to_x, to_y
    return "".join(parts) + "z"


def _take(after: dict[Corner, list[Corner]], here: Corner) -> Corner:
    ends = after[here]
    end = ends.pop()
    if not ends:
        del after[here]
    return end


def _straight(before: Corner, here: Corner, then: Corner) -> bool:
    return before[0] == here[0] == then[0] or before[1] == here[1] == then[1]

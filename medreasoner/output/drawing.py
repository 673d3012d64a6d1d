"""Smooth lines and discs with a dark halo, so that they read on any tissue.

All are drawn into a Pillow RGB canvas, in its pixels (x right, y down), and kept whole inside it.
"""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medreasoner.geometry import Box, Point
from medreasoner.output.colours import COLOURS

HALO = 0.65  # opacity of the dark rim
FINER, FINER_ON_LARGE = 4, 2  # how much larger a shape is drawn before it is reduced, which smooths it
LARGE = 1500  # pixels on a side of what is drawn

Path = np.ndarray  # (N, 2) float xy, in pixels of the canvas


def smooth(contour: Path) -> Path:
    """Take the steps of the pixel grid out of a closed contour (first vertex repeated at the end).

    The vertices move to the middles of the pixel edges, then three times half-way to the mean of their
    neighbours, less often where the contour is so short that this would shrink it.
    """
    vertices = (contour[:-1] + contour[1:]) / 2
    for _ in range(min(3, len(vertices) // 8)):
        vertices = (np.roll(vertices, 1, axis=0) + 2 * vertices + np.roll(vertices, -1, axis=0)) / 4
    return np.concatenate([vertices, vertices[:1]])


def dashes(path: Path, length: float, gap: float) -> list[Path]:
    """Cut a path into dashes of about `length` pixels with gaps of about `gap`, as many as fit evenly."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    count = max(1, round(along[-1] / (length + gap)))
    dash = along[-1] / count * length / (length + gap)
    pieces = []
    for start in np.arange(count) * along[-1] / count:
        at = np.concatenate([[start], along[(along > start) & (along < start + dash)], [start + dash]])
        pieces.append(np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1))
    return pieces


def draw_rectangle(canvas: Image.Image, box: Box, width: int) -> None:
    """A box on whole pixels, which keeps a thin line sharp."""
    before, halo = width // 2, max(1, width // 2)
    after = width - before
    x1, x2 = (min(max(round(v), before), canvas.width - after) for v in (box[0], box[2]))
    y1, y2 = (min(max(round(v), before), canvas.height - after) for v in (box[1], box[3]))
    for colour, opacity, more in ((COLOURS["halo"], HALO, halo), (COLOURS["box"], 1.0, 0)):
        shape = Image.new("L", canvas.size)
        corners = (x1 - before - more, y1 - before - more, x2 + after + more - 1, y2 + after + more - 1)
        ImageDraw.Draw(shape).rectangle(corners, outline=round(255 * opacity), width=width + 2 * more)
        canvas.paste(colour, mask=shape)


def draw_paths(canvas: Image.Image, paths: Sequence[Path], colour: str, width: float) -> None:
    """Lines of `width` pixels along `paths`."""
    halo = max(1.0, width / 2)
    limits = np.array(canvas.size) - width / 2
    paths = [np.clip(path, width / 2, limits) for path in paths]
    vertices = np.concatenate(paths)
    left, top = np.maximum(np.floor(vertices.min(axis=0) - width - halo), 0).astype(int)
    right, bottom = np.minimum(np.ceil(vertices.max(axis=0) + width + halo), canvas.size).astype(int)
    size = (int(right - left), int(bottom - top))
    finer = FINER if max(size) <= LARGE else FINER_ON_LARGE
    for line_colour, opacity, line_width in ((COLOURS["halo"], HALO, width + 2 * halo), (colour, 1.0, width)):
        shape = Image.new("L", (size[0] * finer, size[1] * finer))
        draw = ImageDraw.Draw(shape)
        for path in paths:
            vertices = (path - (left, top)) * finer - 0.5  # Pillow counts from the middle of a pixel
            draw.line(
                [tuple(vertex) for vertex in vertices.tolist()],
                round(255 * opacity),
                round(line_width * finer),
                joint="curve",
            )
        canvas.paste(line_colour, (int(left), int(top)), shape.reduce(finer))


def draw_disc(canvas: Image.Image, centre: Point, radius: float, digit: str | None = None) -> None:
    """A filled disc with a dark rim, and a digit on it if one is given."""
    rim = max(1.0, radius / 6)
    reach = math.ceil(radius + rim) + 1
    inset = radius + rim
    x, y = (min(max(v, inset), side - inset) for v, side in zip(centre, canvas.size, strict=True))
    left, top = math.floor(x) - reach, math.floor(y) - reach
    for colour, opacity, r in ((COLOURS["halo"], HALO, radius + rim), (COLOURS["points"], 1.0, radius)):
        shape = Image.new("L", ((2 * reach + 1) * FINER,) * 2)
        cx, cy, r = (x - left) * FINER, (y - top) * FINER, r * FINER
        ImageDraw.Draw(shape).ellipse((cx - r, cy - r, cx + r, cy + r), fill=round(255 * opacity))
        canvas.paste(colour, (left, top), shape.reduce(FINER))
    if digit:
        font = ImageFont.load_default(1.5 * radius)
        draw = ImageDraw.Draw(canvas)
        draw.text((x, y), digit, COLOURS["digit"], font, anchor="mm", stroke_width=radius / 20)

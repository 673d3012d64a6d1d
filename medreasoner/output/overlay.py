"""A grounding drawn over its image: box, two numbered points, the mask as an outline with a thin fill, a
ground truth dashed, and the notice below. Sizes follow the longer side of the image.

Not here: the mask as a file of its own (see files.py).
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medreasoner.events import NOTICE
from medreasoner.geometry import Box, Grounding, Point
from medreasoner.output.colours import COLOURS
from medreasoner.output.contours import contours
from medreasoner.output.drawing import FINER, dashes, draw_disc, draw_paths, draw_rectangle, smooth

FILL = 0.25  # opacity of the mask's inside
SMALLEST = 480  # pixels; a shorter image is enlarged by a whole factor, for lines and digits need room
DISC = 4.0  # radius of a point, in widths of a line
APART, ROOMY = 2.5, 6  # distance of two discs, side of a box that holds them, in radii


def overlay(
    image: Image.Image,
    grounding: Grounding | None = None,
    mask: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    notice: bool = True,
) -> Image.Image:
    """Draw what is given over `image`.

    Args:
        image: RGB.
        grounding: box and points in pixels of `image`.
        mask, truth: (H, W) bool in its size.
        notice: add the research-only notice as a strip below.

    Returns: a new RGB image as wide as `image`, or a whole multiple of it if that is under 480 pixels on its
        longer side (and wider where the notice needs it); higher by the strip.
    Errors: ValueError if a mask has another size than the image.
    """
    for name, layer in (("mask", mask), ("truth", truth)):
        if layer is not None and layer.shape != (image.height, image.width):
            raise ValueError(
                f"{name} has shape {layer.shape}; "
                f"expected {(image.height, image.width)}, the image's (height, width)"
            )
    scale = math.ceil(SMALLEST / max(image.size))
    size = (image.width * scale, image.height * scale)
    canvas = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)  # a copy where scale is 1
    line = max(2, round(max(canvas.size) / 400))
    if mask is not None and mask.any():
        _fill(canvas, mask)
        draw_paths(canvas, [smooth(contour * scale) for contour in contours(mask)], COLOURS["mask"], line)
    if truth is not None and truth.any():
        paths = [smooth(contour * scale) for contour in contours(truth)]
        dashed = [dash for path in paths for dash in dashes(path, 6 * line, 4 * line)]
        draw_paths(canvas, dashed, COLOURS["truth"], line)
    if grounding is not None:
        box = tuple(v * scale for v in grounding.box)
        draw_rectangle(canvas, box, line)
        _draw_points(canvas, [(x * scale, y * scale) for x, y in grounding.points], box, line)
    return _with_notice(canvas) if notice else canvas


def _fill(canvas: Image.Image, mask: np.ndarray) -> None:
    opacity = Image.fromarray(mask.astype(np.uint8) * round(FILL * 255))
    canvas.paste(COLOURS["mask"], mask=opacity.resize(canvas.size, Image.Resampling.BILINEAR))


def _draw_points(canvas: Image.Image, points: Sequence[Point], box: Box, line: int) -> None:
    """Two numbered discs.

    Where they would cover a small target or each other, they stand beside its box and a line leads to each
    point.
    """
    radius = DISC * line
    narrowest = min(box[2] - box[0], box[3] - box[1])
    if math.dist(*points) >= APART * radius and narrowest >= ROOMY * radius:
        centres = points
    else:
        centres = _beside(points, box, radius, canvas.size)
        for point, centre in zip(points, centres, strict=True):
            draw_paths(canvas, [np.array([point, centre])], COLOURS["points"], line / 2)
            draw_disc(canvas, point, line)
    for digit, centre in zip("12", centres, strict=True):
        draw_disc(canvas, centre, radius, digit)


def _beside(points: Sequence[Point], box: Box, radius: float, size: tuple[int, int]) -> tuple[Point, Point]:
    """Centres of two discs outside `box`: straight out from their points, inside the canvas, apart, near."""
    x1, y1, x2, y2 = box
    gap = 2 * radius
    candidates = [[(x, y1 - gap), (x, y2 + gap), (x1 - gap, y), (x2 + gap, y)] for x, y in points]

    def cost(centres: tuple[Point, Point]) -> float:
        outside = sum(
            not (radius <= x <= size[0] - radius and radius <= y <= size[1] - radius) for x, y in centres
        )
        crowded = math.dist(*centres) < APART * radius
        return sum(map(math.dist, points, centres)) + max(size) * (10 * outside + 10 * crowded)

    return min(itertools.product(*candidates), key=cost)


def _with_notice(canvas: Image.Image) -> Image.Image:
    """The canvas over a strip with the research-only notice."""
    size = max(12, round(min(max(canvas.size) / 45, canvas.width / 20)))
    font = ImageFont.load_default(size * FINER)
    margin, height = round(0.8 * size), round(2.2 * size)
    width = max(canvas.width, math.ceil(font.getlength(NOTICE) / FINER) + 2 * margin)
    strip = Image.new("L", (width * FINER, height * FINER))
    ImageDraw.Draw(strip).text((margin * FINER, height * FINER / 2), NOTICE, 255, font, anchor="lm")
    page = Image.new("RGB", (width, canvas.height + height), COLOURS["ground"])
    page.paste(COLOURS["words"], (0, canvas.height), strip.reduce(FINER))
    page.paste(canvas, ((width - canvas.width) // 2, 0))
    return page

"""A grounding drawn over its image, and every colour of the project in one place.

Is: box, two numbered points, the mask as an outline with a thin fill, a ground truth dashed, and the notice below. Shape and number carry
the meaning as well as colour does; the colours are Okabe and Ito's, chosen so that no pair is red against green.
Is not: an export of pixels; the mask itself is written by `export`.

Every line and disc is smoothed and has a dark halo, so that it reads on any tissue; sizes follow the longer side of the image.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from medreasoner.events import NOTICE
from medreasoner.geometry import Box, Grounding, Point
from medreasoner.output.contours import contours

# Okabe and Ito, "Color Universal Design", 2008; the rest is the viewer's quiet ground.
COLOURS = {
    "box": "#F0E442",  # yellow
    "points": "#E69F00",  # orange
    "mask": "#56B4E9",  # sky blue
    "truth": "#CC79A7",  # reddish purple
    "second": "#009E73",  # bluish green: a second model's answer, dotted
    "halo": "#0B0D10",
    "digit": "#0B0D10",
    "ground": "#14171B",
    "words": "#C9CED6",
}
FILL = 0.25  # opacity of the mask's inside
HALO = 0.65  # opacity of the dark rim around every line and disc
SMALLEST = 480  # pixels; an image with a shorter longer side is enlarged by a whole factor, for lines and digits need room

Path = np.ndarray  # (N, 2) float xy, in pixels of the canvas


def overlay(
    image: Image.Image,
    grounding: Grounding | None = None,
    mask: np.ndarray | None = None,
    truth: np.ndarray | None = None,
    notice: bool = True,
) -> Image.Image:
    """Draw what is given over `image`.

    Args:
        image: RGB. grounding: box and points in pixels of `image`. mask, truth: (H, W) bool in its size.
        notice: add the research-only notice as a strip below.

    Returns: a new RGB image as wide as `image`, or a whole multiple of it if that is under 480 pixels on its longer side (and wider where
        the notice needs it); higher by the strip.
    Errors: ValueError if a mask has another size than the image.
    """
    for name, layer in (("mask", mask), ("truth", truth)):
        if layer is not None and layer.shape != (image.height, image.width):
            raise ValueError(
                f"{name} has shape {layer.shape}; expected {(image.height, image.width)}, the image's (height, width)"
            )
    scale = math.ceil(SMALLEST / max(image.size))
    canvas = image.convert("RGB").resize(
        (image.width * scale, image.height * scale), Image.Resampling.BICUBIC
    )  # a copy where scale is 1
    line = max(2, round(max(canvas.size) / 400))
    if mask is not None and mask.any():
        _fill(canvas, mask)
        _stroke(canvas, [_smooth(contour * scale) for contour in contours(mask)], COLOURS["mask"], line)
    if truth is not None and truth.any():
        paths = [_smooth(contour * scale) for contour in contours(truth)]
        _stroke(
            canvas, [dash for p in paths for dash in _dashes(p, 6 * line, 4 * line)], COLOURS["truth"], line
        )
    if grounding is not None:
        box = tuple(v * scale for v in grounding.box)
        _frame(canvas, box, line)
        _points(canvas, [(x * scale, y * scale) for x, y in grounding.points], box, line)
    return _with_notice(canvas) if notice else canvas


def _smooth(contour: Path) -> Path:
    """Take the steps of the pixel grid out of a closed contour.

    The vertices move to the middles of the pixel edges, then three times half-way to the mean of their
    neighbours, less often where the contour is so short that this would shrink it.
    """
    vertices = (contour[:-1] + contour[1:]) / 2
    for _ in range(min(3, len(vertices) // 8)):
        vertices = (np.roll(vertices, 1, axis=0) + 2 * vertices + np.roll(vertices, -1, axis=0)) / 4
    return np.concatenate([vertices, vertices[:1]])


def _dashes(path: Path, on: float, off: float) -> list[Path]:
    """SlicePlane a path into dashes of about `on` pixels with gaps of about `off`, as many as fit evenly."""
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path, axis=0).T))])
    count = max(1, round(along[-1] / (on + off)))
    starts = np.arange(count) * along[-1] / count
    length = along[-1] / count * on / (on + off)
    pieces = []
    for start in starts:
        at = np.concatenate([[start], along[(along > start) & (along < start + length)], [start + length]])
        pieces.append(np.stack([np.interp(at, along, path[:, 0]), np.interp(at, along, path[:, 1])], axis=1))
    return pieces


def _fill(canvas: Image.Image, mask: np.ndarray) -> None:
    inside = Image.fromarray(mask.astype(np.uint8) * round(FILL * 255)).resize(
        canvas.size, Image.Resampling.BILINEAR
    )
    canvas.paste(COLOURS["mask"], mask=inside)


def _frame(canvas: Image.Image, box: Box, line: int) -> None:
    """The box on whole pixels, which keeps a thin line sharp, with a dark halo; the line is kept whole inside the canvas."""
    before, halo = line // 2, max(1, line // 2)
    after = line - before
    x1, x2 = (min(max(round(v), before), canvas.width - after) for v in (box[0], box[2]))
    y1, y2 = (min(max(round(v), before), canvas.height - after) for v in (box[1], box[3]))
    for shade, opacity, more in ((COLOURS["halo"], HALO, halo), (COLOURS["box"], 1.0, 0)):
        ink = Image.new("L", canvas.size)
        corners = (x1 - before - more, y1 - before - more, x2 + after + more - 1, y2 + after + more - 1)
        ImageDraw.Draw(ink).rectangle(corners, outline=round(255 * opacity), width=line + 2 * more)
        canvas.paste(shade, mask=ink)


def _stroke(canvas: Image.Image, paths: Sequence[Path], colour: str, width: float) -> None:
    """Lines of `width` pixels with a dark halo, kept whole inside the canvas; drawn larger on a crop and reduced, which smooths them."""
    halo = max(1.0, width / 2)
    limits = np.array(canvas.size) - width / 2
    paths = [np.clip(path, width / 2, limits) for path in paths]
    corners = np.concatenate(paths)
    left, top = np.maximum(np.floor(corners.min(axis=0) - width - halo), 0).astype(int)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0) + width + halo), canvas.size).astype(int)
    wide, high = int(right - left), int(bottom - top)
    finer = 4 if max(wide, high) <= 1500 else 2
    for shade, opacity, thick in ((COLOURS["halo"], HALO, width + 2 * halo), (colour, 1.0, width)):
        ink = Image.new("L", (wide * finer, high * finer))
        pen = ImageDraw.Draw(ink)
        for path in paths:
            dots = (path - (left, top)) * finer - 0.5  # the pen counts from the middle of a pixel
            pen.line(
                [tuple(dot) for dot in dots.tolist()],
                round(255 * opacity),
                round(thick * finer),
                joint="curve",
            )
        canvas.paste(shade, (int(left), int(top)), ink.reduce(finer))


def _points(canvas: Image.Image, points: Sequence[Point], box: Box, line: int) -> None:
    """Two numbered discs; where they would cover a small target or each other, they stand beside its box and a line leads to each point."""
    radius = 4.0 * line
    apart, narrowest = math.dist(*points), min(box[2] - box[0], box[3] - box[1])
    roomy = apart >= 2.5 * radius and narrowest >= 6 * radius
    seats = points if roomy else _seats(points, box, radius, canvas.size)
    if not roomy:
        for point, seat in zip(points, seats, strict=True):
            _stroke(canvas, [np.array([point, seat])], COLOURS["points"], line / 2)
            _disc(canvas, point, line, None)
    for number, seat in zip("12", seats, strict=True):
        _disc(canvas, seat, radius, number)


def _seats(points: Sequence[Point], box: Box, radius: float, size: tuple[int, int]) -> tuple[Point, Point]:
    """Where the centres of two discs go outside `box`: straight out from their points, inside the canvas, apart, and near."""
    x1, y1, x2, y2 = box
    gap = 2 * radius
    ways = [[(x, y1 - gap), (x, y2 + gap), (x1 - gap, y), (x2 + gap, y)] for x, y in points]

    def cost(seats: tuple[Point, Point]) -> float:
        outside = sum(
            not (radius <= x <= size[0] - radius and radius <= y <= size[1] - radius) for x, y in seats
        )
        crowded = math.dist(*seats) < 2.5 * radius
        return sum(map(math.dist, points, seats)) + max(size) * (10 * outside + 10 * crowded)

    return min(itertools.product(*ways), key=cost)


def _disc(canvas: Image.Image, centre: Point, radius: float, number: str | None) -> None:
    """A filled disc with a dark rim, kept whole inside the canvas, and a digit on it."""
    rim = max(1.0, radius / 6)
    reach = math.ceil(radius + rim) + 1
    x, y = (
        min(max(v, radius + rim), side - radius - rim) for v, side in zip(centre, canvas.size, strict=True)
    )
    left, top, finer = math.floor(x) - reach, math.floor(y) - reach, 4
    for shade, opacity, r in ((COLOURS["halo"], HALO, radius + rim), (COLOURS["points"], 1.0, radius)):
        ink = Image.new("L", ((2 * reach + 1) * finer,) * 2)
        cx, cy = (x - left) * finer, (y - top) * finer
        ImageDraw.Draw(ink).ellipse(
            (cx - r * finer, cy - r * finer, cx + r * finer, cy + r * finer), fill=round(255 * opacity)
        )
        canvas.paste(shade, (left, top), ink.reduce(finer))
    if number:
        font = ImageFont.load_default(1.5 * radius)
        ImageDraw.Draw(canvas).text(
            (x, y), number, COLOURS["digit"], font, anchor="mm", stroke_width=radius / 20
        )


def _with_notice(canvas: Image.Image) -> Image.Image:
    size, finer = max(12, round(min(max(canvas.size) / 45, canvas.width / 20))), 4
    font = ImageFont.load_default(size * finer)
    margin, high = round(0.8 * size), round(2.2 * size)
    wide = max(canvas.width, math.ceil(font.getlength(NOTICE) / finer) + 2 * margin)
    ink = Image.new("L", (wide * finer, high * finer))
    ImageDraw.Draw(ink).text((margin * finer, high * finer / 2), NOTICE, 255, font, anchor="lm")
    page = Image.new("RGB", (wide, canvas.height + high), COLOURS["ground"])
    page.paste(COLOURS["words"], (0, canvas.height), ink.reduce(finer))
    page.paste(canvas, ((wide - canvas.width) // 2, 0))
    return page

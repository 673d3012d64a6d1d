"""Draws pictures that are no medical image: charts, pages of text, shapes, faces, landscapes, and surfaces
without content, each from a random generator alone.
"""

import colorsys
import math
import random
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WORDS = "the of and to in is that was for on are with as his they at be this from have or by one had not but"
Colour = tuple[int, int, int]


def _colour(rng: random.Random, light: tuple[float, float] = (0.35, 1.0)) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 1.0), rng.uniform(*light))
    return round(255 * red), round(255 * green), round(255 * blue)


def _canvas(rng: random.Random, ground: Colour | None = None) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    size = rng.randrange(256, 513, 16), rng.randrange(256, 513, 16)
    image = Image.new("RGB", size, ground or _colour(rng))
    return image, ImageDraw.Draw(image)


def chart(rng: random.Random) -> Image.Image:
    """Bars, a line or a pie, with axes and a title."""
    image, draw = _canvas(rng, rng.choice([(255, 255, 255), (245, 245, 235), (30, 30, 40)]))
    width, height = image.size
    ink = (20, 20, 20) if sum(image.getpixel((0, 0))) > 380 else (230, 230, 230)
    draw.text((width // 4, 8), _sentence(rng, 3), ink, ImageFont.load_default(14))
    values = [rng.uniform(0.1, 0.95) for _ in range(rng.randint(4, 10))]
    left, bottom, across, up = 30, height - 30, width - 60, height - 80
    kind = rng.choice(["bars", "line", "pie"])
    if kind == "pie":
        start, box = 0.0, (left, 40, left + min(across, up), 40 + min(across, up))
        for value in values:
            end = start + 360 * value / sum(values)
            draw.pieslice(box, start, end, _colour(rng), ink)
            start = end
        return image
    draw.line([(left, bottom - up), (left, bottom), (left + across, bottom)], ink, 2)
    step = across / len(values)
    tops = [(left + (n + 0.5) * step, bottom - up * value) for n, value in enumerate(values)]
    if kind == "line":
        draw.line(tops, _colour(rng), 3)
    for x, y in tops if kind == "bars" else ():
        draw.rectangle((x - step / 3, y, x + step / 3, bottom), _colour(rng), ink)
    return image


def _sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS.split(), k=words)).capitalize()


def page(rng: random.Random) -> Image.Image:
    """A page of text."""
    image, draw = _canvas(rng, (rng.randint(225, 255),) * 3)
    size = rng.randint(10, 20)
    font = ImageFont.load_default(size)
    for y in range(20, image.height - 20, round(1.5 * size)):
        if rng.random() < 0.9:
            draw.text((20, y), _sentence(rng, rng.randint(3, image.width // (4 * size))), (25, 25, 30), font)
    return image


def shapes(rng: random.Random) -> Image.Image:
    """Discs, rectangles, triangles and lines of many colours."""
    image, draw = _canvas(rng)
    for _ in range(rng.randint(4, 14)):
        x, y = rng.randrange(image.width), rng.randrange(image.height)
        w, h = rng.randint(15, image.width // 3), rng.randint(15, image.height // 3)
        kind = rng.choice(["disc", "rectangle", "triangle", "line"])
        if kind == "disc":
            draw.ellipse((x, y, x + w, y + h), _colour(rng))
        elif kind == "rectangle":
            draw.rectangle((x, y, x + w, y + h), _colour(rng))
        elif kind == "triangle":
            draw.polygon([(x, y), (x + w, y), (x + w / 2, y + h)], _colour(rng))
        else:
            draw.line((x, y, x + w, y + h), _colour(rng), rng.randint(2, 8))
    return image


def face(rng: random.Random) -> Image.Image:
    """A cartoon of a face."""
    image, draw = _canvas(rng)
    size = min(image.size) * rng.uniform(0.5, 0.9)
    x, y = (image.width - size) / 2, (image.height - size) / 2
    draw.ellipse((x, y, x + size, y + size), _colour(rng, (0.7, 1.0)), (0, 0, 0), 3)
    eye = size * rng.uniform(0.06, 0.12)
    for side in (0.3, 0.7):
        cx, cy = x + side * size, y + 0.4 * size
        draw.ellipse((cx - eye, cy - eye, cx + eye, cy + eye), (255, 255, 255), (0, 0, 0), 2)
        draw.ellipse((cx - eye / 3, cy - eye / 3, cx + eye / 3, cy + eye / 3), (0, 0, 0))
    mouth = (x + 0.3 * size, y + 0.55 * size, x + 0.7 * size, y + 0.8 * size)
    draw.arc(mouth, *rng.choice([(10, 170), (190, 350)]), (120, 0, 0), 5)
    return image


def landscape(rng: random.Random) -> Image.Image:
    """Sky, sun, hills, trees and a house."""
    image, draw = _canvas(rng, _colour(rng, (0.7, 1.0)))
    width, height = image.size
    sun = rng.randint(15, 45)
    x, y = rng.randrange(sun, width - sun), rng.randrange(sun, height // 3)
    draw.ellipse((x - sun, y - sun, x + sun, y + sun), (255, rng.randint(180, 240), 60))
    for level in (0.5, 0.62, 0.75):
        phase, swing = rng.uniform(0, 6), rng.uniform(0.02, 0.1) * height
        steps = range(0, width + 8, 8)
        ridge = [(x, level * height + swing * math.sin(phase + 6 * x / width)) for x in steps]
        draw.polygon([(0, height), *ridge, (width, height)], (30, rng.randint(90, 190), rng.randint(30, 90)))
    for _ in range(rng.randint(2, 7)):
        x, y = rng.randrange(width), rng.uniform(0.6, 0.9) * height
        draw.rectangle((x - 3, y, x + 3, y + 25), (90, 60, 30))
        draw.ellipse((x - 18, y - 30, x + 18, y + 6), (20, rng.randint(80, 140), 40))
    x, y, w = rng.uniform(0.1, 0.7) * width, 0.7 * height, rng.uniform(0.12, 0.25) * width
    draw.rectangle((x, y, x + w, y + w), _colour(rng))
    draw.polygon([(x - 8, y), (x + w + 8, y), (x + w / 2, y - w / 2)], (150, 40, 30))
    return image


def surface(rng: random.Random) -> Image.Image:
    """A gradient, a checker board, stripes or noise."""
    size = rng.randrange(256, 513, 16), rng.randrange(256, 513, 16)
    numbers = np.random.default_rng(rng.getrandbits(64))
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    kind = rng.choice(["gradient", "checkers", "stripes", "noise", "clouds"])
    if kind in ("noise", "clouds"):
        noise = Image.fromarray(numbers.integers(0, 256, (*size[::-1], 3), np.uint8))
        blurred = noise.filter(ImageFilter.GaussianBlur(rng.randint(6, 20)))
        if kind == "noise":
            return noise if rng.random() < 0.5 else noise.convert("L").convert("RGB")
        values = np.asarray(blurred, np.float32)
        low, high = values.min(), values.max()
        return Image.fromarray(((values - low) / (high - low) * 255).astype(np.uint8))
    turn, cells = rng.uniform(0, math.tau), rng.randint(4, 16)
    along = math.cos(turn) * across + math.sin(turn) * down
    if kind == "gradient":
        share = (along - along.min()) / (along.max() - along.min())
    elif kind == "stripes":
        share = np.floor(along * cells) % 2
    else:
        share = (np.floor(across * cells) + np.floor(down * cells)) % 2
    one, other = (np.array(_colour(rng, (0.0, 1.0))) for _ in range(2))
    return Image.fromarray((one + share[..., None] * (other - one)).astype(np.uint8))


KINDS: dict[str, Callable[[random.Random], Image.Image]] = {
    function.__name__: function for function in (chart, page, shapes, face, landscape, surface)
}

"""What the viewer and its layers show, as plain values: strings, numbers and data URLs. The scripts in
`static/` draw them."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from PIL import Image

from medreasoner.geometry import Grounding
from medreasoner.imaging import LoadedImage, load_image
from medreasoner.output.contours import svg_path
from medreasoner.output.data_url import image_data_url, reduced
from medreasoner.page.examples import Example
from medreasoner.page.measure import axes
from medreasoner.segmenters.base import Click
from medreasoner.text.places import place_phrase, place_words, size_word

MAX_SIDE = 2048  # longest side sent to a browser, pixels; coordinates stay those of the original image
THUMBNAIL_SIDE = 200


def screen_url(image: Image.Image, longest: int = MAX_SIDE) -> str:
    """RGB `image` as a data URL, at most `longest` pixels on a side: PNG if it is grey, else JPEG without
    visible loss."""
    image = reduced(image, longest)  # first: of a large image, copies are large, too
    red, green, blue = (np.asarray(band) for band in image.split())
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return image_data_url(image.getchannel(0), compress_level=3)
    return image_data_url(image, "JPEG", quality=95, subsampling=0)


def picture(loaded: LoadedImage, credit: str = "", truth: np.ndarray | None = None) -> dict:
    """The viewer's value for a newly opened image.

    Args:
        credit: where the image comes from, shown with it.
        truth: (H, W) bool, the mask that came with the image.
    """
    width, height = loaded.image.size
    facts = [f"{width} × {height} px"]
    if loaded.spacing_mm is not None:
        facts.append(f"{loaded.spacing_mm[0]:.3g} × {loaded.spacing_mm[1]:.3g} mm a pixel")
    caption = [" · ".join(facts), credit, *loaded.notes]
    return {
        "src": screen_url(loaded.image),
        "width": width,
        "height": height,
        "caption": [line for line in caption if line],
        "letters": loaded.orientation,
        "view": asdict(loaded.view),
        "choices": asdict(loaded.options),
        "truth": None if truth is None else svg_path(truth),
        "spacing": loaded.spacing_mm,
        "unit": loaded.unit,
        "limits": loaded.limits,
        "range": _range(loaded),
    }


def _range(loaded: LoadedImage) -> tuple[float, float] | None:
    """The lowest and highest of the image's own values; None where it has none."""
    if loaded.values is None:
        return None
    finite = loaded.values[np.isfinite(loaded.values)]
    return (float(finite.min()), float(finite.max())) if finite.size else None


def thumbnail(example: Example) -> dict:
    """An example as the strip of examples shows it."""
    small = screen_url(load_image(example.image).image, THUMBNAIL_SIDE)
    return {"thumbnail": small, "modality": example.modality, "question": example.question}


def layers(
    grounding: Grounding,
    image_wh: tuple[int, int],
    mask: np.ndarray | None = None,
    clicks: Sequence[Click] = (),
    spacing_mm: tuple[float, float] | None = None,
) -> dict:
    """The layers' value: box, points, clicks, the mask's outline and its axes (None before there is a mask),
    in pixels of the original image, and the same in words for screen readers.

    Args:
        spacing_mm: size (x, y) of a pixel, for axes that are long and short in the body.
    """
    found = None if mask is None else axes(mask, spacing_mm)
    return {
        "box": list(grounding.box),
        "points": [list(point) for point in grounding.points],
        "clicks": [list(click) for click in clicks],
        "mask": None if mask is None else svg_path(mask),
        "axes": None if found is None else [list(line) for line in found.lines],
        "spoken": alt_text(grounding, image_wh, mask),
    }


def alt_text(grounding: Grounding, image_wh: tuple[int, int], mask: np.ndarray | None = None) -> str:
    """Where the answer is, for the image's alternative text."""
    x1, y1, x2, y2 = (round(v) for v in grounding.box)
    phrase = place_phrase(*place_words(grounding.box, image_wh))
    size = size_word(grounding.box, image_wh)
    text = f"The answer is {phrase} of the image, {size}: a box from {x1}, {y1} to {x2}, {y2}"
    return f"{text}." if mask is None else f"{text}, and a mask that covers {mask.mean():.1%} of the image."

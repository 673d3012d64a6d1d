"""NumPy arrays as images."""

import numpy as np
from PIL import Image

from medreasoner.imaging.color import CHANNELS, WHITE, colors_to_uint8
from medreasoner.imaging.types import (
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    refuse_slice_selection,
    select_number,
)
from medreasoner.imaging.windowing import Windowed, window_values

LAID_ON_BLACK = "Transparent parts were laid on black."
GRAY_AXES = 2
STRIP = 1 << 22  # pixels that are worked on at a time
COLOR_AXES = 3


def read_array(array: np.ndarray, view: ViewSelection) -> LoadedImage:
    """An array of bools, integers or floats: (H, W), (H, W, 1), (H, W, 3) or, in uint8 or uint16, (H, W, 4)
    with opacity.

    Grey uint8 and bools are taken as they are, deeper values are windowed, deeper colours keep their upper 8
    bits.
    Errors: ImageError.
    """
    refuse_slice_selection(view)
    select_number("frame", view.frame, 1)
    values = array[:, :, 0] if array.ndim == COLOR_AXES and array.shape[2] == 1 else array
    channels = (CHANNELS, CHANNELS + 1) if values.dtype in (np.uint8, np.uint16) else (CHANNELS,)
    is_color = values.ndim == COLOR_AXES and values.shape[2] in channels
    if not (values.ndim == GRAY_AXES or is_color) or values.dtype.kind not in "buif":
        raise ImageError(
            "An array must be (H, W), (H, W, 3) or, in uint8 or uint16, (H, W, 4), of real numbers; "
            f"got shape {array.shape} of {array.dtype}."
        )
    check_size(values.shape[1], values.shape[0])
    if values.dtype == bool:
        values = values.astype(np.uint8) * 255
    windowed = show_values(values, view.window)
    return LoadedImage(
        image=Image.fromarray(windowed.pixels).convert("RGB"),
        kind="array",
        notes=windowed.notes,
        view=ViewSelection(window=windowed.window),
        options=ViewOptions(windows=windowed.windows),
    )


def show_values(values: np.ndarray, window: str | None) -> Windowed:
    """Grey values (H, W) or colours (H, W, 3 or 4) as 8 bits a channel, (H, W) or (H, W, 3)."""
    if values.ndim == COLOR_AXES:
        refuse_window(window, "is in colour, which has none")
        return _show_colors(values)
    if values.dtype == np.uint8:
        refuse_window(window, "has 8 bits, which need none")
        return Windowed(values)
    return window_values(values, window)


def refuse_window(window: str | None, why: str) -> None:
    """Raise ImageError if a window was asked for: the image … `why`."""
    if window is not None:
        raise ImageError(f"The window {window[:40]!r} was asked for, but the image {why}.")


def _show_colors(values: np.ndarray) -> Windowed:
    """Colours on black, where their opacity says so."""
    pixels, notes = colors_to_uint8(values)
    if pixels.shape[2] == CHANNELS:
        return Windowed(pixels, notes=notes)
    opaque, notes = lay_on_black(Image.fromarray(pixels), notes)
    return Windowed(np.asarray(opaque), notes=notes)


def lay_on_black(image: Image.Image, notes: tuple[str, ...] = ()) -> tuple[Image.Image, tuple[str, ...]]:
    """An image with opacity as RGB on black, and `notes` with what was done."""
    layer = image if image.mode == "RGBA" else image.convert("RGBA")
    flat, (width, height) = Image.new("RGB", image.size), image.size
    rows = max(1, STRIP // width)
    for top in range(0, height, rows):
        strip = layer.crop((0, top, width, min(top + rows, height)))
        black = Image.new("RGBA", strip.size, (0, 0, 0, WHITE))
        flat.paste(Image.alpha_composite(black, strip).convert("RGB"), (0, top))
    lowest, _ = layer.getextrema()[CHANNELS]
    return flat, notes if lowest == WHITE else (*notes, LAID_ON_BLACK)

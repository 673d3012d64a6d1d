"""Colours deeper than 8 bits a channel become 8 bits."""

import numpy as np

CHANNELS = 3  # red, green, blue
BYTE, WHITE = 8, 255


def colors_to_uint8(colors: np.ndarray, bits: int | None = None) -> tuple[np.ndarray, tuple[str, ...]]:
    """Colours (H, W, 3 or 4) as uint8, never stretched: their depth is that of the format, not of the
    brightest pixel.

    Args:
        colors: uint8; other integers, of which the upper 8 of `bits` are kept; or floats of 0..1, 0..255 or
            0..65535.
        bits: of a channel; None for all that the type has.

    Returns: the colours, and what was done to them as sentences.
    """
    if colors.dtype == np.uint8:
        return colors, ()
    if colors.dtype.kind == "f":
        return _floats_to_uint8(colors)
    bits = bits or 8 * colors.dtype.itemsize
    positive = np.maximum(colors, 0)
    if bits <= BYTE or positive.max() <= WHITE:
        return np.minimum(positive, WHITE).astype(np.uint8), (
            f"The {bits}-bit colours hold no more than 8 bits.",
        )
    note = f"Of the {bits} bits of a colour the upper 8 are shown."
    return np.minimum(positive >> (bits - BYTE), WHITE).astype(np.uint8), (note,)


def _floats_to_uint8(colors: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    finite = np.nan_to_num(colors, nan=0.0, posinf=0.0, neginf=0.0)
    highest = float(finite.max())
    overshoot = 2  # colours that were resampled reach a little beyond their range
    white = next((white for white in (1, WHITE, 65535) if highest <= overshoot * white), highest)
    note = f"Floating-point colours of 0 to {white:g} were converted to 8 bits."
    return np.rint(np.clip(finite * (WHITE / white), 0, WHITE)).astype(np.uint8), (note,)

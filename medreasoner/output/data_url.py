"""Files and images as `data:` URLs (RFC 2397), for browsers and for the OpenAI chat format."""

import base64
import io

from PIL import Image


def data_url(data: bytes, media_type: str) -> str:
    """`data` in base64 inside a URL; `media_type` such as "image/png"."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def image_data_url(
    image: Image.Image, kind: str = "PNG", longest: int | None = None, **save_options: object
) -> str:
    """`image` inside a URL.

    Args:
        kind: "PNG" (lossless) or "JPEG".
        longest: side in pixels; a larger image is reduced to it.
        save_options: for Pillow's writer of that format, such as `quality`.
    """
    if longest is not None and max(image.size) > longest:
        image = image.copy()
        image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    image.save(encoded, kind, **save_options)
    return data_url(encoded.getvalue(), f"image/{kind.lower()}")

"""Files and images as `data:` URLs (RFC 2397), for browsers and for the OpenAI chat format."""

import base64
import io

from PIL import Image, ImageOps


def data_url(data: bytes, media_type: str) -> str:
    """`data` in base64 inside a URL; `media_type` such as "image/png"."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"


def reduced(image: Image.Image, longest: int) -> Image.Image:
    """`image` with sides of at most `longest` pixels; itself where it is no larger."""
    if max(image.size) <= longest:
        return image
    return ImageOps.contain(image, (longest, longest), Image.Resampling.LANCZOS)


def image_data_url(
    image: Image.Image, kind: str = "PNG", longest: int | None = None, **save_options: object
) -> str:
    """`image` inside a URL.

    Args:
        kind: "PNG" (lossless) or "JPEG".
        longest: side in pixels; a larger image is reduced to it.
        save_options: for Pillow's writer of that format, such as `quality`.
    """
    image = image if longest is None else reduced(image, longest)
    encoded = io.BytesIO()
    image.save(encoded, kind, **save_options)
    return data_url(encoded.getvalue(), f"image/{kind.lower()}")

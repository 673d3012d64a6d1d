"""Images as they may be published: pixels only, without EXIF, comments or texts that could name a patient."""

import io

from PIL import Image

from medreasoner.data.sample import Sample

# what a file may carry besides its pixels, as Pillow names it
_HARMLESS_INFO = frozenset(
    "jfif jfif_version jfif_unit jfif_density dpi gamma srgb chromaticity interlace adobe adobe_transform "
    "progressive progression icc_profile aspect".split()
)
_HARMLESS_SEGMENTS = {"APP0", "APP2", "APP14"}  # of JPEG: JFIF, colour profile, Adobe's colour transform
_PNG = (b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82")  # how a file begins and ends
_JPEG = (b"\xff\xd8\xff", b"\xff\xd9")


def plain_image(sample: Sample) -> dict:
    """The image as parquet holds it, {"bytes", "path"}.

    A grey or RGB JPEG or PNG without further data is taken as it is; anything else becomes a PNG of what
    `load_image` reads. Errors: ImageError.
    """
    data = sample.image if isinstance(sample.image, bytes) else sample.image.read_bytes()
    name = sample.id if isinstance(sample.image, bytes) else sample.image.stem
    suffix = _suffix_if_plain(data)
    if suffix is None:
        encoded = io.BytesIO()
        sample.load_image().save(encoded, "PNG", optimize=True)
        data, suffix = encoded.getvalue(), "png"
    return {"bytes": data, "path": f"{name}.{suffix}"}


def _suffix_if_plain(data: bytes) -> str | None:
    """The suffix of a file that may be published as it is, else None."""
    if not any(data.startswith(begin) and data.endswith(end) for begin, end in (_PNG, _JPEG)):
        return None  # another format, or something follows the image
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
            fits = image.mode in ("L", "RGB") and getattr(image, "n_frames", 1) == 1
            if not fits or image.getexif() or not set(image.info) <= _HARMLESS_INFO:
                return None
            if image.format == "JPEG":
                return "jpg" if {marker for marker, _ in image.applist} <= _HARMLESS_SEGMENTS else None
            return None if image.private_chunks else "png"
    except (OSError, SyntaxError, ValueError):  # damaged: `load_image` says how
        return None

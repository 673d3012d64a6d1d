"""Anything a user may give -> an RGB image of 8 bits a channel, with what was done to it said in words.

Is: files of the usual raster formats, DICOM (one frame), NIfTI (one slice), bytes, open files, PIL images and NumPy arrays, told apart by
their first bytes and never by their name. Sizes are checked before pixels are decoded.
Is not: a viewer or a resampler. One plane comes out, in its own pixels; a model resizes for itself.

The readers of DICOM and NIfTI (`dicom.py`, `nifti.py`), and pydicom and nibabel with them, are imported only when such a file arrives.
"""

import gzip
import io
import textwrap
import warnings
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

from medreasoner.imaging.types import (
    DAMAGE,
    MAX_BYTES,
    MAX_PIXELS,
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    check_size,
    damaged,
    refuse_slice_selection,
    select_number,
)
from medreasoner.imaging.windowing import Windowed, window_values

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
EXPECTED = "expected PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, AVIF, DICOM or NIfTI"
GZIP = b"\x1f\x8b"


def load_image(
    source: str | Path | bytes | BinaryIO | Image.Image | np.ndarray,
    slice: int | None = None,
    axis: str | None = None,
    frame: int | None = None,
    window: str | None = None,
) -> LoadedImage:
    """Read one image.

    Args:
        source: a path; the bytes of a file or a binary stream of them; a PIL image of any mode; or an array (H, W), (H, W, 1), (H, W, 3)
            or, in uint8, (H, W, 4), of bools, integers or floats. uint8 is taken as it is, anything deeper is windowed.
        slice, axis, frame, window: which plane, in which shades, see `ViewSelection`. Left out: the middle slice across a volume's thickest axis
            (axial, if all are alike), the middle frame of a DICOM file and the first one of others, the first window the file brings.

    Returns: a `LoadedImage`, 16 to 20,000 pixels on a side and of at most 100 megapixels.
    Errors: ImageError for everything that cannot be read, and for a view that the source does not have.
    """
    view = ViewSelection(slice, axis, frame, window)
    if isinstance(source, np.ndarray):
        return _from_array(source, view)
    if isinstance(source, Image.Image):
        return _from_pil(source, view)
    data = _read(source)
    if data[:2] == GZIP:
        data = _gunzip(data)
    if data[344:348] == b"n+1\0" or data[4:8] == b"n+2\0":
        from medreasoner.imaging.nifti import read_nifti

        return read_nifti(data, view)
    if data[344:348] == b"ni1\0":
        raise ImageError(
            "This is half of a NIfTI pair (.hdr and .img); give the volume as one .nii or .nii.gz file."
        )
    if _looks_like_dicom(data):
        from medreasoner.imaging.dicom import read_dicom

        return read_dicom(data, view)
    return _from_pil(_open(data), view)


def _read(source: str | Path | bytes | BinaryIO) -> bytes:
    if isinstance(source, (str, Path)):
        name = repr(str(source)[-200:])
        try:
            with open(source, "rb") as file:
                data = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            raise ImageError(f"There is no file at {name}.") from None
        except IsADirectoryError:
            raise ImageError(f"{name} is a folder; one image file was expected.") from None
        except (OSError, ValueError) as error:
            raise ImageError(
                f"The file {name} cannot be opened ({textwrap.shorten(str(error), 80)})."
            ) from error
    else:
        data = source if isinstance(source, bytes) else source.read(MAX_BYTES + 1)
    if not data:
        raise ImageError("The file is empty (0 bytes); an image was expected.")
    return _within_limit(data)


def _gunzip(data: bytes) -> bytes:
    try:
        return _within_limit(gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise damaged("gzip", error) from error


def _within_limit(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file holds more than {MAX_BYTES >> 30} GiB; give one image or one slice.")
    return data


def _looks_like_dicom(data: bytes) -> bool:
    """By the mark after the preamble, or, in old files without one, by a first tag of group 0002 or 0008."""
    return data[128:132] == b"DICM" or (data[:2] in (b"\2\0", b"\x08\0") and data[3:4] == b"\0")


# Raster formats, through PIL


def _open(data: bytes) -> Image.Image:
    """The header only; PIL decodes when the pixels are asked for."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `check_size` has the last word
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(
            f"The image is larger than {MAX_PIXELS // 10**6} megapixels, which is the most that can be read."
        ) from None
    except DAMAGE:
        raise ImageError(
            f"This cannot be read as an image: {EXPECTED}, got data that begins with {data[:12]!r}."
        ) from None


def _from_pil(image: Image.Image, view: ViewSelection) -> LoadedImage:
    refuse_slice_selection(view)
    kind = image.format or "image"
    try:
        frames = getattr(image, "n_frames", 1)  # PIL: formats that cannot hold several do not have it
    except DAMAGE:  # the first may be whole all the same
        frames = 1
    frame = select_number("frame", view.frame, frames)
    try:
        if frames > 1:
            image.seek(frame - 1)
        check_size(*image.size)
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(
            2, 9
        )  # asked first: TIFF turns itself while it loads
        pixels, shaded = _to_rgb(ImageOps.exif_transpose(image), view.window)
    except ImageError:
        raise
    except DAMAGE as error:
        raise damaged(kind, error) from error
    notes = (f"Frame {frame} of {frames} is shown.",) if frames > 1 else ()
    if turned:
        notes += ("The image was turned upright, as its EXIF orientation says.",)
    shown = ViewSelection(frame=frame if frames > 1 else None, window=shaded.window)
    choices = ViewOptions(frames=frames, windows=shaded.windows)
    return LoadedImage(pixels, kind, (*notes, *shaded.notes), view=shown, options=choices)


def _to_rgb(image: Image.Image, window: str | None) -> tuple[Image.Image, Windowed]:
    """An image of any mode as RGB, and how it was shaded (the pixels there are no longer needed)."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        shaded = window_values(np.asarray(image), window)
        return Image.fromarray(shaded.pixels).convert("RGB"), shaded
    if window is not None:
        raise ImageError(
            f"The window {window[:40]!r} was asked for, but the image has 8 bits a channel, which need none."
        )
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        opaque = layer.getextrema()[3][0] == 255
        flat = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), layer).convert("RGB")
        return flat, Windowed(None, notes=() if opaque else ("Transparent parts were laid on black.",))
    return image.convert("RGB"), Windowed(
        None, notes=("CMYK colours were converted to RGB.",) if image.mode == "CMYK" else ()
    )


def _from_array(array: np.ndarray, view: ViewSelection) -> LoadedImage:
    refuse_slice_selection(view)
    select_number("frame", view.frame, 1)
    flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    colour = flat.ndim == 3 and (flat.shape[2] == 3 or (flat.shape[2] == 4 and flat.dtype == np.uint8))
    if not (flat.ndim == 2 or colour):
        raise ImageError(
            f"An array must be (H, W), (H, W, 3) or, in uint8, (H, W, 4); got shape {array.shape} of {array.dtype}."
        )
    check_size(flat.shape[1], flat.shape[0])
    if flat.dtype == bool:
        flat = flat.astype(np.uint8) * 255
    if flat.dtype == np.uint8:
        pixels, shaded = _to_rgb(Image.fromarray(flat), view.window)
    else:
        shaded = window_values(flat, view.window)
        pixels = Image.fromarray(shaded.pixels).convert("RGB")
    shown, choices = ViewSelection(window=shaded.window), ViewOptions(windows=shaded.windows)
    return LoadedImage(pixels, "array", shaded.notes, view=shown, options=choices)

"""Anything a user may give -> an RGB image of 8 bits a channel, with what was done to it said in words.

Is: files of the usual raster formats, DICOM (one frame), NIfTI (the middle axial slice), bytes, open files, PIL images and NumPy arrays,
told apart by their first bytes and never by their name. Sizes are checked before pixels are decoded.
Is not: a viewer or a resampler. One plane comes out, in its own pixels; a model resizes for itself.

pydicom and nibabel are imported only when such a file arrives.
"""

import gzip
import io
import struct
import textwrap
import warnings
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, ImageOps

MIN_SIDE = 16  # pixels; below this there is nothing to ground
MAX_SIDE = 20_000
MAX_PIXELS = 100_000_000
MAX_BYTES = 1 << 30  # of a file, and of what a compressed volume may unpack to
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM", "JPEG2000", "AVIF")
EXPECTED = "expected PNG, JPEG, TIFF, WebP, BMP, GIF, JPEG 2000, AVIF, DICOM or NIfTI"


@dataclass(frozen=True)
class Loaded:
    """`image` RGB, 8 bits a channel, upright; `kind` what it came as ("PNG", "DICOM", "array", …); `notes` one sentence for each thing
    that was done to the pixels; `spacing_mm` the size (x, y) of a pixel in the patient, None when the source does not say."""

    image: Image.Image
    kind: str
    notes: tuple[str, ...] = ()
    spacing_mm: tuple[float, float] | None = None


class ImageError(ValueError):
    """What was given cannot be read as an image; the message is one sentence that says what came and what was expected."""


# What the decoders raise on damaged files (tests/test_images.py cuts and flips bytes); they have no common class of their own.
_RASTER_ERRORS = (OSError, ValueError, SyntaxError, EOFError, RuntimeError, TypeError, Image.DecompressionBombError)
_VOLUME_ERRORS = (*_RASTER_ERRORS, AttributeError, IndexError, KeyError, OverflowError, struct.error)


def load_image(source: str | Path | bytes | BinaryIO | Image.Image | np.ndarray) -> Loaded:
    """Read one image.

    Args:
        source: a path; the bytes of a file or a binary stream of them; a PIL image of any mode; or an array (H, W), (H, W, 1), (H, W, 3)
            or, in uint8, (H, W, 4), of bools, integers or floats. uint8 is taken as it is, anything deeper is windowed.

    Returns: a `Loaded`, 16 to 20,000 pixels on a side and of at most 100 megapixels.
    Errors: ImageError for everything that cannot be read.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pil(source)
    data = _read(source)
    if data[128:132] == b"DICM":
        return _from_dicom(data)
    if data[:2] == b"\x1f\x8b":
        data = _gunzip(data)
    if data[344:348] == b"n+1\0" or data[4:8] == b"n+2\0":
        return _from_nifti(data)
    image = _open(data)
    loaded = _from_pil(image)
    if _has_second_frame(image):
        return replace(loaded, notes=("The file holds several frames; the first was read.", *loaded.notes))
    return loaded


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
            raise ImageError(f"The file {name} cannot be opened ({textwrap.shorten(str(error), 80)}).") from error
    else:
        data = source if isinstance(source, bytes) else source.read(MAX_BYTES + 1)
    if not data:
        raise ImageError("The file is empty (0 bytes); an image was expected.")
    return _within_limit(data)


def _gunzip(data: bytes) -> bytes:
    try:
        return _within_limit(gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged("gzip", error) from error


def _within_limit(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file holds more than {MAX_BYTES >> 30} GiB; give one image or one slice.")
    return data


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ImageError(
            f"The image is {width} x {height} pixels; at most {MAX_SIDE:,} on a side and {MAX_PIXELS // 10**6} megapixels can be read."
        )
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"The image is {width} x {height} pixels; at least {MIN_SIDE} on a side are needed.")


def _damaged(kind: str, error: Exception) -> ImageError:
    detail = textwrap.shorten(str(error), 160).rstrip(".") or type(error).__name__
    return ImageError(f"The {kind} data is damaged, cut short or of a kind that cannot be decoded ({detail}).")


# Raster formats, through PIL


def _open(data: bytes) -> Image.Image:
    """The header only; PIL decodes when the pixels are asked for."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `_check_size` has the last word
            return Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError:
        raise ImageError(f"The image is larger than {MAX_PIXELS // 10**6} megapixels, which is the most that can be read.") from None
    except _RASTER_ERRORS:
        raise ImageError(f"This cannot be read as an image: {EXPECTED}, got data that begins with {data[:12]!r}.") from None


def _has_second_frame(image: Image.Image) -> bool:
    try:
        image.seek(1)
    except _RASTER_ERRORS:  # EOFError where there is none; a damaged second frame does not matter
        return False
    return True


def _from_pil(image: Image.Image) -> Loaded:
    kind = image.format or "image"
    _check_size(*image.size)
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)  # asked first: TIFF turns itself while it loads
        pixels, notes = _to_rgb(ImageOps.exif_transpose(image))
    except _RASTER_ERRORS as error:
        raise _damaged(kind, error) from error
    if turned:
        notes = ("The image was turned upright, as its EXIF orientation says.", *notes)
    return Loaded(pixels, kind, notes)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[str, ...]]:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        values = np.asarray(image)
        return Image.fromarray(_window(values)).convert("RGB"), (_window_note(values.dtype),)
    if image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        opaque = layer.getextrema()[3][0] == 255
        flat = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), layer).convert("RGB")
        return flat, () if opaque else ("Transparent parts were laid on black.",)
    if image.mode == "CMYK":
        return image.convert("RGB"), ("CMYK colours were converted to RGB.",)
    return image.convert("RGB"), ()


# Values deeper than 8 bits


def _window(values: np.ndarray) -> np.ndarray:
    """Any real values -> uint8 of the same shape, 0 and 255 at the 0.5 and 99.5 percentile (at the extremes, if those two are equal).

    NaN becomes 0. ImageError for complex or composite values, and when nothing is finite.
    """
    if values.dtype.kind not in "buif":
        raise ImageError(f"Pixel values must be real numbers; got {values.dtype}.")
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not finite.size:
        raise ImageError("The image holds no finite value; there is nothing to show.")
    low, high = (float(v) for v in np.percentile(finite, (0.5, 99.5)))
    if not high > low:
        low, high = float(finite.min()), float(finite.max())
    return _stretch(values, low, high)


def _stretch(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values -> uint8, linear from low = 0 to high = 255; all 0 when the two are equal."""
    if not high > low:
        return np.zeros(values.shape, np.uint8)
    scaled = values.astype(np.result_type(values.dtype, np.float32))
    np.nan_to_num(np.clip(scaled, low, high, out=scaled), copy=False, nan=low)
    scaled -= low
    scaled *= 255 / (high - low)
    return np.rint(scaled, out=scaled).astype(np.uint8)


def _window_note(dtype: np.dtype) -> str:
    what = "Floating-point" if dtype.kind == "f" else f"{8 * dtype.itemsize}-bit"
    return f"{what} values were scaled to 8 bits from their 0.5 to 99.5 percentile."


def _from_array(array: np.ndarray) -> Loaded:
    flat = array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array
    colour = flat.ndim == 3 and (flat.shape[2] == 3 or (flat.shape[2] == 4 and flat.dtype == np.uint8))
    if not (flat.ndim == 2 or colour):
        raise ImageError(f"An array must be (H, W), (H, W, 3) or, in uint8, (H, W, 4); got shape {array.shape} of {array.dtype}.")
    _check_size(flat.shape[1], flat.shape[0])
    if flat.dtype == bool:
        flat = flat.astype(np.uint8) * 255
    if flat.dtype == np.uint8:
        image, notes = _to_rgb(Image.fromarray(flat))
        return Loaded(image, "array", notes)
    return Loaded(Image.fromarray(_window(flat)).convert("RGB"), "array", (_window_note(flat.dtype),))


# DICOM and NIfTI


def _from_dicom(data: bytes) -> Loaded:
    """One frame (the middle one of several) as a reading room shows it: rescaled, in the file's own window if it has one, air dark."""
    import pydicom
    from pydicom.errors import BytesLengthException
    from pydicom.pixels import get_decoder, pixel_array

    damage = (*_VOLUME_ERRORS, BytesLengthException)
    try:
        dataset = pydicom.dcmread(io.BytesIO(data))
        rows, columns, frames = (int(dataset.get(name) or 0) for name in ("Rows", "Columns", "NumberOfFrames"))
        spacing = tuple(float(v) for v in dataset.get("PixelSpacing") or ())  # (between rows, between columns)
        what = dataset.get("Modality") or "unnamed"
    except damage as error:
        raise _damaged("DICOM", error) from error
    if not any(name in dataset for name in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")):
        raise ImageError(f"The DICOM file holds no image, only data of modality {what}; give a file with pixels.")
    _check_size(columns, rows)
    try:
        syntax = dataset.file_meta.TransferSyntaxUID
        if syntax.is_compressed and not get_decoder(syntax).is_available:
            raise ImageError(f"No decoder is installed for DICOM pixels in {syntax.name}; install pylibjpeg or export the image as PNG.")
        gray, notes = _dicom_shades(pixel_array(dataset, index=frames // 2), dataset)
    except ImageError:
        raise
    except damage as error:
        raise _damaged("DICOM", error) from error
    if frames > 1:
        notes = (f"Frame {frames // 2 + 1} of {frames} was read.", *notes)
    known = len(spacing) == 2 and min(spacing) > 0
    return Loaded(Image.fromarray(gray).convert("RGB"), "DICOM", notes, (spacing[1], spacing[0]) if known else None)


def _dicom_shades(values: np.ndarray, dataset) -> tuple[np.ndarray, tuple[str, ...]]:
    """Stored values (rows, columns[, 3]) of a pydicom Dataset -> uint8 to look at, and what was done."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
    if values.ndim == 3:
        return (values, ()) if values.dtype == np.uint8 else (_window(values), (_window_note(values.dtype),))
    values = apply_modality_lut(values, dataset)
    if dataset.get("VOILUTSequence") or (dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None):
        shown = apply_voi_lut(values, dataset)
        gray, notes = _stretch(shown, float(shown.min()), float(shown.max())), ("The window stored in the file was applied.",)
    else:
        gray, notes = _window(values), ("The file has no window; values were scaled to 8 bits from their 0.5 to 99.5 percentile.",)
    if photometric == "MONOCHROME1":
        return 255 - gray, (*notes, "The shades were inverted, as MONOCHROME1 asks.")
    return gray, notes


def _from_nifti(data: bytes) -> Loaded:
    """The middle axial slice of the first volume, anterior up, the patient's right on the left."""
    import nibabel
    from nibabel.filebasedimages import ImageFileError
    from nibabel.orientations import OrientationError
    from nibabel.spatialimages import HeaderDataError

    family = nibabel.Nifti1Image if data[344:348] == b"n+1\0" else nibabel.Nifti2Image
    try:
        volume = family.from_bytes(data)
        shape = volume.shape
        if len(shape) < 3 or min(shape) < 1:
            raise ImageError(f"The NIfTI file has the shape {shape}; a volume of three dimensions was expected.")
        upward = int(np.flatnonzero(nibabel.io_orientation(volume.affine)[:, 0] == 2)[0])  # the voxel axis that runs foot to head
        middle = shape[upward] // 2
        cut: list[slice | int] = [slice(None)] * 3 + [slice(0, 1)] * (len(shape) - 3)
        cut[upward] = slice(middle, middle + 1)
        plane = nibabel.as_closest_canonical(volume.slicer[tuple(cut)])  # only this slice is decoded; axes now run right, anterior, up
        _check_size(*plane.shape[:2])
        values = np.asarray(plane.dataobj).reshape(plane.shape[:2])[::-1, ::-1].T  # (y, x): rows from anterior, columns from the right
        spacing = tuple(float(v) for v in plane.header.get_zooms()[:2])
    except ImageError:
        raise
    except (*_VOLUME_ERRORS, ImageFileError, HeaderDataError, OrientationError) as error:
        raise _damaged("NIfTI", error) from error
    notes = (
        f"Axial slice {middle + 1} of {shape[upward]} was read, the patient's right on the left.",
        "Values were scaled to 8 bits from their 0.5 to 99.5 percentile.",
    )
    return Loaded(Image.fromarray(_window(values)).convert("RGB"), "NIfTI", notes, spacing if min(spacing) > 0 else None)

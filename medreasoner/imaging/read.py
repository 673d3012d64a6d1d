"""Reads any image a user may give as RGB of 8 bits a channel, with what was done to it in words.

Files are told apart by their first bytes and never by their name, and sizes are checked before pixels are
decoded. The readers, and pydicom, nibabel and tifffile with them, are imported when a file of their kind
arrives.

Not here: resizing (a model does it for itself) and volumes (volume.py).
"""

import gzip
import io
import os
import textwrap
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from medreasoner.imaging.array import read_array
from medreasoner.imaging.raster import read_pil, read_raster
from medreasoner.imaging.tiff import is_tiff, read_tiff
from medreasoner.imaging.types import MAX_BYTES, ImageError, LoadedImage, ViewSelection, damaged

GZIP = b"\x1f\x8b"
DICOM_PREFIX, PREAMBLE = b"DICM", 128  # PS3.10 7.1


def load_image(
    source: str | Path | bytes | BinaryIO | Image.Image | np.ndarray,
    slice: int | None = None,
    axis: str | None = None,
    frame: int | None = None,
    window: str | None = None,
) -> LoadedImage:
    """Read one image.

    Args:
        source: a path; the bytes of a file or a binary stream of them; a PIL image of any mode; or an array
            (H, W), (H, W, 1), (H, W, 3) or, in uint8 or uint16, (H, W, 4), of bools, integers or floats.
            uint8 is taken as it is, deeper grey values are windowed, of deeper colours the upper 8 bits are
            taken.
        slice, axis, frame, window: which plane, in which window, see `ViewSelection`. Left out: the middle
            slice across a volume's thickest axis (axial, if all are alike), the middle frame of a DICOM file
            and the first of others, and the first window the file brings, else one for CT, else an automatic
            one.

    Returns: a `LoadedImage`, 16 to 20,000 pixels on a side and of at most 100 megapixels.
    Errors: ImageError for everything that cannot be read, and for a view that the source does not have.
    """
    view = ViewSelection(slice, axis, frame, window)
    if isinstance(source, np.ndarray):
        return read_array(source, view)
    if isinstance(source, Image.Image):
        return read_pil(source, view)
    data = read_bytes(source)
    return _read_file(unzipped(data) if data[:2] == GZIP else data, view)


def _read_file(data: bytes, view: ViewSelection) -> LoadedImage:
    if is_nifti(data):
        from medreasoner.imaging.nifti import read_nifti

        return read_nifti(data, view)
    if data[344:348] == b"ni1\0":
        raise ImageError(
            "This is half of a NIfTI pair (.hdr and .img); give the volume as one .nii or .nii.gz file."
        )
    if is_dicom(data):
        from medreasoner.imaging.dicom import read_dicom

        return read_dicom(data, view)
    return read_tiff(data, view) if is_tiff(data) else read_raster(data, view)


def read_bytes(source: str | Path | bytes | BinaryIO) -> bytes:
    """What a file holds. Errors: ImageError for one that cannot be opened, is empty, or exceeds MAX_BYTES."""
    if isinstance(source, (str, Path)):
        name = repr(str(source)[-200:])
        try:
            with open(source, "rb") as file:
                size = os.fstat(file.fileno()).st_size  # 0 of what is no ordinary file
                data = file.read(1 + (min(size, MAX_BYTES) or MAX_BYTES))  # room is made for all at once
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


def unzipped(data: bytes) -> bytes:
    """What a gzip file holds. Errors: ImageError."""
    try:
        return _within_limit(gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_BYTES + 1))
    except (OSError, EOFError, zlib.error) as error:
        raise damaged("gzip", error) from error


def _within_limit(data: bytes) -> bytes:
    if len(data) > MAX_BYTES:
        raise ImageError(f"The file holds more than {MAX_BYTES >> 20} MiB; give one image or one slice.")
    return data


def is_nifti(data: bytes) -> bool:
    """Whether a file is a NIfTI-1 or NIfTI-2 image in one piece."""
    return data[344:348] == b"n+1\0" or data[4:8] == b"n+2\0"


def is_dicom(data: bytes) -> bool:
    """By the mark after the preamble, or, in old files without one, by a first tag of group 0002 or 0008."""
    little, big = data[:2] in (b"\2\0", b"\x08\0") and data[3:4] == b"\0", data[:3] == b"\0\x08\0"
    return data[PREAMBLE : PREAMBLE + 4] == DICOM_PREFIX or little or big

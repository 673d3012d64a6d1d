"""An image file without what may name a patient, for its other slices, frames and windows.

Pixels and what is needed to show them stay; texts, EXIF, private and unknown parts go. What is burnt into the
pixels stays, too.
"""

import struct
import zlib

from medreasoner.imaging.anonymous_dicom import nameless_dicom
from medreasoner.imaging.anonymous_raster import nameless_gif, nameless_png, nameless_webp
from medreasoner.imaging.anonymous_tiff import nameless_tiff
from medreasoner.imaging.dicom_file import parse
from medreasoner.imaging.png import SIGNATURE
from medreasoner.imaging.read import GZIP, is_dicom, is_nifti, unzipped
from medreasoner.imaging.tiff import is_tiff

# NIfTI-1 and NIfTI-2: (where the offset of the voxels stands, its type, texts as (start, end), the end)
NIFTI_1 = (108, "f", ((4, 32), (148, 252), (328, 344)), 348)
NIFTI_2 = (168, "q", ((240, 344), (508, 524)), 540)


def without_names(data: bytes) -> bytes:
    """The file, which `load_image` can read, without names; b"" for a format from which they cannot be taken.

    Errors: ImageError.
    """
    if data[:2] == GZIP:
        packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
        packed = [packer.compress(part) for part in _parts(unzipped(data))]
        return b"".join([*packed, packer.flush()])
    return b"".join(_parts(data))


def _parts(data: bytes) -> list[bytes | memoryview]:
    """What stays of a file that is not compressed, one after the other."""
    if is_nifti(data):
        return _nifti(data)
    if is_dicom(data):
        return [nameless_dicom(parse(data))]
    if is_tiff(data):
        return [nameless_tiff(data)]
    if data.startswith(SIGNATURE):
        return [nameless_png(data)]
    if data.startswith(b"GIF8"):
        return [nameless_gif(data)]
    return [nameless_webp(data)] if data.startswith(b"RIFF") else []


def _nifti(data: bytes) -> list[bytes | memoryview]:
    """The texts of the header and all extensions become zeros; the voxels are not copied."""
    at, kind, texts, end = NIFTI_1 if data[344:348] == b"n+1\0" else NIFTI_2
    order = "<" if int.from_bytes(data[:4], "little") in (348, 540) else ">"
    (offset,) = struct.unpack_from(order + kind, data, at)
    first = int(offset) if end <= offset <= len(data) else end  # NaN and nonsense: they follow the header
    head = bytearray(data[:first])
    for start, stop in (*texts, (end, first)):
        head[start:stop] = bytes(stop - start)
    return [bytes(head), memoryview(data)[first:]]

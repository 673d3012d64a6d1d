"""An image file without what may name a patient, for its other slices, frames and windows.

Pixels and what is needed to show them stay; texts, EXIF, private and unknown parts go. What is burnt into the
pixels stays, too.
"""

import io
import struct
import zlib
from typing import TYPE_CHECKING

from PIL import ExifTags, Image
from pydicom import Dataset, dcmwrite
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import FileMetaDataset

from medreasoner.imaging.dicom_file import parse
from medreasoner.imaging.dicom_header import ATTRIBUTES, ELEMENT_ERRORS, GROUPS, SEQUENCES
from medreasoner.imaging.png import SIGNATURE, png_chunks, without_texts
from medreasoner.imaging.raster import exif_orientation
from medreasoner.imaging.read import GZIP, is_dicom, is_nifti, unzipped
from medreasoner.imaging.tiff import PARSE_ERRORS, is_tiff
from medreasoner.imaging.types import MAX_FRAMES

if TYPE_CHECKING:
    from tifffile import TiffFormat, TiffPage

PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT")
# DICOM groups of what describes pixels, and of the pixels
IMAGE_GROUP, PIXEL_GROUP = 0x0028, 0x7FE0
FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
# NIfTI-1 and NIfTI-2: (where the offset of the voxels stands, its type, texts as (start, end), the end)
NIFTI_1 = (108, "f", ((4, 32), (148, 252), (328, 344)), 348)
NIFTI_2 = (168, "q", ((240, 344), (508, 524)), 540)
# TIFF 6.0: the tags that say how pixels are stored, and what they mean
TIFF_TAGS = {
    *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 290),
    *(291, 292, 293, 296, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340),
    *(341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 559, 32997, 32998),
}
GIF_COMMENT, GIF_APPLICATION, GIF_TEXT = 0xFE, 0xFF, 0x01
WEBP_TEXTS = (b"EXIF", b"XMP ")


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
        return [_dicom(parse(data))]
    if is_tiff(data):
        return [_tiff(data)]
    if data.startswith(SIGNATURE):
        return [_png(data)]
    if data.startswith(b"GIF8"):
        return [_gif(data)]
    return [_webp(data)] if data.startswith(b"RIFF") else []


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


def _dicom(dataset: Dataset) -> bytes:
    """The description of the pixels, the pixels, and what `FrameHeader` reads; b"" for damage."""
    kept = Dataset()
    kept.preamble, kept.file_meta = bytes(128), FileMetaDataset()
    kept.file_meta.TransferSyntaxUID = dataset.file_meta.TransferSyntaxUID
    for tag in dataset.keys():
        if tag.group in (IMAGE_GROUP, PIXEL_GROUP) and dictionary_has_tag(tag) and dictionary_VR(tag) != "SQ":
            kept[tag] = dataset.get_item(tag)
    _take(dataset, kept)
    for name in FUNCTIONAL_GROUPS:
        if items := _items(dataset, name):
            setattr(kept, name, [_groups(item) for item in items])
    file = io.BytesIO()
    implicit, little = dataset.original_encoding
    kept.set_original_encoding(implicit, little)
    try:
        dcmwrite(file, kept, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    except (*ELEMENT_ERRORS, AttributeError, TypeError, KeyError):  # of pydicom 3, for damaged elements
        return b""
    return file.getvalue()


def _groups(item: Dataset) -> Dataset:
    kept = Dataset()
    for name in GROUPS:
        if parts := _items(item, name):
            part = Dataset()
            _take(parts[0], part)
            setattr(kept, name, [part])
    return kept


def _take(dataset: Dataset, kept: Dataset) -> None:
    """Copy ATTRIBUTES; of the items of sequences only what describes images or has numbers."""
    for name in ATTRIBUTES:
        if name not in dataset:
            continue
        if name in SEQUENCES:
            setattr(kept, name, [_numbers_of(item) for item in _items(dataset, name)])
        else:
            element = dataset.get_item(name)
            kept[element.tag] = element


def _numbers_of(item: Dataset) -> Dataset:
    kept = Dataset()
    for tag in item.keys():
        element = item.get_item(tag)
        if tag.group == IMAGE_GROUP or element.VR in ("US", "SS", "UL", "SL", "FL", "FD"):
            kept[tag] = element
    return kept


def _items(dataset: Dataset, name: str) -> list[Dataset]:
    try:
        return list(dataset.get(name) or [])
    except ELEMENT_ERRORS:
        return []


def _png(data: bytes) -> bytes:
    kept = [chunk for name, chunk in png_chunks(data) if name in PNG_CHUNKS]
    return SIGNATURE + b"".join(kept[:1] + _exif_chunk(data) + kept[1:])


def _exif_chunk(data: bytes) -> list[bytes]:
    """EXIF that holds the orientation alone; none for a picture that is upright."""
    exif = _exif(without_texts(data))
    if not exif:
        return []
    chunk = b"eXIf" + exif
    return [struct.pack(">I", len(exif)) + chunk + struct.pack(">I", zlib.crc32(chunk))]


def _exif(data: bytes) -> bytes:
    exif = Image.Exif()
    with Image.open(io.BytesIO(data)) as image:
        exif[ExifTags.Base.Orientation] = exif_orientation(image) or 1
    return exif.tobytes()[6:] if exif[ExifTags.Base.Orientation] != 1 else b""  # without the mark of JPEG


def _tiff(data: bytes) -> bytes:
    """Everything becomes zeros but what the pages say of their pixels, and these; b"" for too many pages, and
    for damage.
    """
    from tifffile import TiffFile

    kept = bytearray(len(data))
    try:
        with TiffFile(io.BytesIO(data)) as file:
            if len(file.pages) > MAX_FRAMES:
                return b""
            _keep(data, kept, 0, 16 if file.tiff.is_bigtiff else 8)
            for page in file.pages:
                _keep_page(data, kept, page.aspage(), file.tiff)
    except PARSE_ERRORS:
        return b""
    return bytes(kept)


def _keep(data: bytes, kept: bytearray, start: int, length: int) -> None:
    stop = min(start + length, len(data))
    if 0 <= start < stop:
        kept[start:stop] = data[start:stop]


def _keep_page(data: bytes, kept: bytearray, page: "TiffPage", form: "TiffFormat") -> None:
    """Its list of tags, the values of TIFF_TAGS, and its pixels."""
    (count,) = struct.unpack_from(form.tagnoformat, data, page.offset)
    entries = form.tagnosize + count * form.tagsize
    _keep(data, kept, page.offset, entries + form.offsetsize)
    for tag in page.tags:
        start, length = tag.valueoffset, tag.valuebytecount
        if tag.code in TIFF_TAGS:
            _keep(data, kept, start, length)
        elif page.offset <= start and start + length <= page.offset + entries:  # it stands in the list itself
            kept[start : start + length] = bytes(length)
    for start, length in zip(page.dataoffsets, page.databytecounts, strict=False):
        _keep(data, kept, start, length)


def _gif(data: bytes) -> bytes:
    """Comments, texts and what applications wrote become blanks."""
    blank = bytearray(data)
    at = 13 + _colours(data[10])
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C:  # a frame
            at += 11 + _colours(data[at + 9])
            wipe = False
        elif data[at] == 0x21:
            wipe = data[at + 1] in (GIF_COMMENT, GIF_APPLICATION, GIF_TEXT)
            at += 2
        else:
            return b""
        while at < len(data) and data[at]:
            length = data[at]
            if wipe:
                blank[at + 1 : at + 1 + length] = b" " * min(length, len(data) - at - 1)
            at += 1 + length
        at += 1
    return bytes(blank[: at + 1])


def _colours(flags: int) -> int:
    """Bytes of a colour table."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(data: bytes) -> bytes:
    blank, at = bytearray(data), 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        if data[at : at + 4] in WEBP_TEXTS:
            room = min(length, len(data) - at - 8)
            exif = _exif(data) if data[at : at + 4] == b"EXIF" else b""
            blank[at + 8 : at + 8 + room] = (exif if len(exif) <= room else b"").ljust(room, b"\0")
        at += 8 + length + length % 2
    return bytes(blank)

"""The stored values of one frame of a DICOM file."""

import re
import struct
from typing import NamedTuple

import numpy as np
import pydicom
from pydicom import Dataset
from pydicom.errors import BytesLengthException
from pydicom.pixels import get_decoder, pixel_array
from pydicom.tag import Tag

from medreasoner.imaging import dicom_codecs
from medreasoner.imaging.dicom_header import ELEMENT_ERRORS, read_value
from medreasoner.imaging.types import ImageError, damaged

PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
ITEM = b"\xfe\xff\x00\xe0"  # the tag before each piece
CODE = re.compile(r"[A-Z][A-Z0-9_ ]{0,15}")  # of VR CS; anything else is damage, and may name the patient

# What pydicom 3 and its decoders raise for pixels that cannot be decoded, and for a description of them that
# is missing or impossible; found by breaking files at random
_DECODE_ERRORS = (
    *(ValueError, RuntimeError, AttributeError, BytesLengthException, struct.error),
    MemoryError,  # a header may claim any size
)


class PixelFormat(NamedTuple):
    """How the pixels are described; None where the header does not say."""

    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int | None
    bits_stored: int | None
    high_bit: int | None
    signed: bool


def pixel_format(dataset: Dataset) -> PixelFormat:
    """The description of the pixels. Errors: ImageError where there are none, or their description is
    damaged.
    """
    if not any(name in dataset for name in PIXELS):
        stated = str(read_value(dataset, "Modality"))
        modality = stated if CODE.fullmatch(stated) else "unnamed"
        raise ImageError(
            f"The DICOM file holds no image, only data of modality {modality}; give a file with pixels."
        )
    return PixelFormat(
        rows=_whole(dataset, "Rows") or 0,
        columns=_whole(dataset, "Columns") or 0,
        samples=_whole(dataset, "SamplesPerPixel") or 1,
        photometric=str(_value(dataset, "PhotometricInterpretation") or ""),
        bits_allocated=_whole(dataset, "BitsAllocated"),
        bits_stored=_whole(dataset, "BitsStored"),
        high_bit=_whole(dataset, "HighBit"),
        signed=_whole(dataset, "PixelRepresentation") == 1,
    )


def _value(dataset: Dataset, name: str) -> object:
    try:
        return dataset.get(name)
    except ELEMENT_ERRORS as error:
        raise damaged("DICOM", error) from error


def _whole(dataset: Dataset, name: str) -> int | None:
    value = _value(dataset, name)
    if value is None or value == "":
        return None
    if not isinstance(value, int):
        raise ImageError(
            f"The DICOM header is damaged: {name} is {str(value)[:40]!r}, a whole number was expected."
        )
    return int(value)


def count_frames(dataset: Dataset, pixels: PixelFormat) -> tuple[int, tuple[str, ...]]:
    """How many frames there are, and a note where the header's number is not that; `dataset` is mended
    accordingly.

    Pixels that are not compressed tell it by their length.
    """
    stated = _stated_frames(dataset)
    held = _held_frames(dataset, pixels)
    count = stated or held or 1
    fragments = _fragments(dataset)
    if fragments and fragments < count:
        count = fragments
    elif held and held < count:
        count = held
    if "NumberOfFrames" in dataset:
        del dataset[Tag("NumberOfFrames")]  # it may be of a type that cannot be read
        dataset.NumberOfFrames = count  # pydicom takes what stands there at its word
    if count == stated:
        return count, ()
    written = "not readable" if stated is None else str(stated)
    return count, (f"The header's number of frames is {written}; {count} can be shown.",)


def _fragments(dataset: Dataset) -> int | None:
    """How many pieces compressed pixels lie in; no frame has less than one (PS3.5 A.4). None for others."""
    if "PixelData" not in dataset or not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        return None
    data, at, count = read_value(dataset, "PixelData"), 0, 0
    while isinstance(data, bytes) and data[at : at + 4] == ITEM and at + 8 <= len(data):
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
        count += 1
    return max(1, count - 1) if count else None  # the first is a table


def _stated_frames(dataset: Dataset) -> int | None:
    """NumberOfFrames, if it is a number; 1 where it is absent or empty."""
    try:
        value = dataset.get("NumberOfFrames")
        return 1 if value is None or not str(value).strip() else max(0, int(value))
    except (*ELEMENT_ERRORS, TypeError):
        return None


def _held_frames(dataset: Dataset, pixels: PixelFormat) -> int | None:
    """How many whole frames uncompressed pixels hold; None where it cannot be told."""
    bits = pixels.rows * pixels.columns * pixels.samples * (pixels.bits_allocated or 0)
    if "PixelData" not in dataset or not bits or dataset.file_meta.TransferSyntaxUID.is_compressed:
        return None
    if pixels.photometric == "YBR_FULL_422":
        bits = bits * 2 // 3
    data = read_value(dataset, "PixelData")
    return 8 * len(data) // bits if isinstance(data, bytes) else None


def check_syntax(dataset: Dataset) -> None:
    """Raise ImageError for a transfer syntax that is not known, or has no decoder."""
    syntax = dataset.file_meta.TransferSyntaxUID
    dicom_codecs.register()
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise ImageError(
            f"The DICOM pixels are in the transfer syntax {syntax}, which is not known; "
            "export the image as PNG."
        )
    if syntax.is_compressed and not _decodable(syntax):
        raise ImageError(
            f"No decoder is installed for DICOM pixels in {_named(syntax)}; "
            "export the image uncompressed or as PNG."
        )


def decode(dataset: Dataset, frame: int, pixels: PixelFormat) -> np.ndarray:
    """Stored values (rows, columns) or colours (rows, columns, 3) of one frame, counted from 1; colours come
    as RGB.

    Errors: ImageError for a transfer syntax without decoder, and for damage.
    """
    try:
        values = pixel_array(dataset, index=frame - 1, correct_unused_bits=False)
    except _DECODE_ERRORS as error:
        named = _named(dataset.file_meta.TransferSyntaxUID)
        raise damaged(f"DICOM pixel ({named})", error) from error
    return _stored_bits(values, pixels)


def _named(syntax: pydicom.uid.UID) -> str:
    return f"{syntax.name}, transfer syntax {syntax}"


def _decodable(syntax: pydicom.uid.UID) -> bool:
    try:
        return get_decoder(syntax).is_available
    except NotImplementedError:  # a syntax pydicom knows by name alone, such as video
        return False


def _stored_bits(values: np.ndarray, pixels: PixelFormat) -> np.ndarray:
    """The values without the bits around them, where overlays and padding of old files lie (PS3.5 8.1.1).

    Old files may keep them in the upper bits (HighBit beyond BitsStored - 1). Many state such a HighBit and
    do not: it is believed only where values reach beyond the lower bits.
    """
    container, bits = 8 * values.dtype.itemsize, pixels.bits_stored or 0
    if values.dtype.kind not in "iu" or not 0 < bits < container:
        return values
    shift = min((pixels.high_bit or 0) + 1, container) - bits
    if shift > 0 and _reaches_beyond(values, bits):
        values = values >> shift
    unused = container - bits
    return (values << unused) >> unused


def _reaches_beyond(values: np.ndarray, bits: int) -> bool:
    if values.dtype.kind == "u":
        return bool((values >> bits).any())
    return not np.isin(values >> (bits - 1), (0, -1)).all()

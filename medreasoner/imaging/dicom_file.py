"""The bytes of a DICOM file become a pydicom Dataset, whatever is missing before it."""

import io
import struct
import zlib
from collections.abc import Sequence

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset
from pydicom.tag import Tag
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medreasoner.imaging.dicom_header import read_value
from medreasoner.imaging.types import MAX_BYTES, ImageError, damaged

CHUNK = 1 << 24  # bytes that are unpacked at a time

# What pydicom 3 raises for bytes that are no data set; found by breaking files at random
PARSE_ERRORS = (ValueError, NotImplementedError, OSError, BytesLengthException, struct.error, zlib.error)


def parse(data: bytes) -> Dataset:
    """The data set, with a transfer syntax even where the file does not name it.

    Errors: ImageError for what is no data set, for one that unpacks to more than MAX_BYTES, and for a
        DICOMDIR.
    """
    try:
        dataset = read_limited(data, force=True)
        if not dataset.file_meta.get("TransferSyntaxUID"):
            dataset.file_meta.TransferSyntaxUID = _guessed_syntax(dataset)
    except ImageError:
        raise
    except PARSE_ERRORS as error:
        raise damaged("DICOM", error) from error
    if read_value(dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise ImageError(
            "This is a DICOMDIR, the table of contents of a disc; give one of the images it lists."
        )
    return dataset


def read_limited(data: bytes, force: bool = False, elements: Sequence[str] | None = None) -> Dataset:
    """What `pydicom.dcmread` reads from a file, which sets no limit to what a deflated one unpacks to.

    Args:
        force: also read what has no preamble.
        elements: the only ones that are wanted, by keyword; None for all.

    Errors: ImageError for a file that unpacks to more than MAX_BYTES, and PARSE_ERRORS.
    """
    try:
        return pydicom.dcmread(_NeverInflated(data), force=force, specific_tags=elements)
    except _Deflated as found:
        unpacked = io.BytesIO(_inflate(data[found.start :]))
        tags = None if elements is None else [Tag(name) for name in elements]
        dataset = read_dataset(unpacked, is_implicit_VR=False, is_little_endian=True, specific_tags=tags)
    dataset.set_original_encoding(False, True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


class _Deflated(Exception):
    """pydicom has found a deflated data set (PS3.5 A.5), which begins at the byte `start` of its file."""

    def __init__(self, start: int) -> None:
        super().__init__(start)
        self.start = start


class _NeverInflated(io.BytesIO):
    """A file for pydicom, which reads all the rest at once for one purpose alone: to inflate it, unlimited.

    So it is pydicom itself that says which files are deflated, whatever their headers are like.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            raise _Deflated(self.tell())
        return super().read(size)


def _guessed_syntax(dataset: Dataset) -> pydicom.uid.UID:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _inflate(packed: bytes) -> bytes:
    """What a deflate stream holds: bare as DICOM asks, or behind zlib's header as some writers put it.

    Errors: ImageError for more than MAX_BYTES and for damage.
    """
    for window_bits in (-zlib.MAX_WBITS, zlib.MAX_WBITS):
        try:
            return _inflate_within_limit(packed, window_bits)
        except zlib.error as error:
            failure = error
    raise damaged("deflated DICOM", failure)


def _inflate_within_limit(packed: bytes, window_bits: int) -> bytes:
    stream, chunks, size = zlib.decompressobj(window_bits), [], 0
    while packed and not stream.eof:
        chunks.append(stream.decompress(packed, CHUNK))
        size += len(chunks[-1])
        if size > MAX_BYTES:
            raise ImageError(f"The DICOM file unpacks to more than {MAX_BYTES >> 20} MiB; give one image.")
        packed = stream.unconsumed_tail
    if not stream.eof:
        raise zlib.error("the stream has no end")
    return b"".join(chunks)

"""The bytes of a DICOM file become a pydicom Dataset, whatever is missing before it."""

import io
import struct
import zlib

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import data_element_generator, read_dataset, read_preamble
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
)

from medreasoner.imaging.dicom_header import read_value
from medreasoner.imaging.types import MAX_BYTES, ImageError, damaged

META_GROUP = 2
TRANSFER_SYNTAX = Tag("TransferSyntaxUID")
CHUNK = 1 << 24  # bytes that are unpacked at a time

# What pydicom 3 raises for bytes that are no data set; found by breaking files at random
PARSE_ERRORS = (ValueError, NotImplementedError, OSError, BytesLengthException, struct.error, zlib.error)


def parse(data: bytes) -> Dataset:
    """The data set, with a transfer syntax even where the file does not name it.

    Errors: ImageError for what is no data set, for one that unpacks to more than MAX_BYTES, and for a
        DICOMDIR.
    """
    start, deflated = _dataset_start(data)
    dataset = _read_inflated(_inflate(data[start:])) if deflated else _read(data)
    if read_value(dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise ImageError(
            "This is a DICOMDIR, the table of contents of a disc; give one of the images it lists."
        )
    return dataset


def _read(data: bytes) -> Dataset:
    try:
        dataset = pydicom.dcmread(io.BytesIO(data), force=True)
        if not dataset.file_meta.get("TransferSyntaxUID"):
            dataset.file_meta.TransferSyntaxUID = _guessed_syntax(dataset)
    except PARSE_ERRORS as error:
        raise damaged("DICOM", error) from error
    return dataset


def _read_inflated(data: bytes) -> Dataset:
    """The data set of a deflated file (PS3.5 A.5), after it was unpacked."""
    try:
        dataset = read_dataset(io.BytesIO(data), is_implicit_VR=False, is_little_endian=True)
    except PARSE_ERRORS as error:
        raise damaged("DICOM", error) from error
    dataset.set_original_encoding(False, True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def _guessed_syntax(dataset: Dataset) -> pydicom.uid.UID:
    implicit, little = dataset.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _dataset_start(data: bytes) -> tuple[int, bool]:
    """Where the data set begins, after the file's meta information, and whether it is deflated."""
    file = io.BytesIO(data)
    deflated = False
    try:
        read_preamble(file, force=True)
        for element in data_element_generator(file, False, True, stop_when=_is_after_meta):
            if element.tag == TRANSFER_SYNTAX:
                deflated = element.value.rstrip(b"\0 ") == DeflatedExplicitVRLittleEndian.encode("ascii")
    except PARSE_ERRORS as error:
        raise damaged("DICOM", error) from error
    return file.tell(), deflated


def _is_after_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != META_GROUP


def _inflate(packed: bytes) -> bytes:
    """What a deflate stream holds: bare as DICOM asks, or behind zlib's header as some writers put it.

    pydicom would unpack it too, but sets no limit. Errors: ImageError for more than MAX_BYTES and for damage.
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
            raise ImageError(f"The DICOM file unpacks to more than {MAX_BYTES >> 30} GiB; give one image.")
        packed = stream.unconsumed_tail
    if not stream.eof:
        raise zlib.error("the stream has no end")
    return b"".join(chunks)

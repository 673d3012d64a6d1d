"""Bytes that are a data set, whatever is missing before it.

python -m pytest tests/imaging/test_dicom_file.py
"""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ExplicitVRLittleEndian

from medreasoner.imaging import dicom_file
from tests.medical import GRAY, dicom, pixels, refusal, shipped


def test_a_file_without_preamble_or_without_a_named_syntax_is_read():
    whole = dicom(GRAY)
    assert np.array_equal(pixels(whole[132:])[..., 0], GRAY)
    dataset = pydicom.dcmread(io.BytesIO(whole))
    for implicit in (True, False):
        file = io.BytesIO()
        del dataset.file_meta
        pydicom.dcmwrite(file, dataset, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert np.array_equal(pixels(file.getvalue())[..., 0], GRAY)
        dataset = pydicom.dcmread(io.BytesIO(whole))


def test_a_deflated_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY)))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    assert np.array_equal(pixels(file.getvalue())[..., 0], GRAY)
    monkeypatch.setattr(dicom_file, "MAX_BYTES", 1500)
    monkeypatch.setattr(zlib, "decompress", lambda *_, **__: pytest.fail("the whole was unpacked"))
    assert "unpacks to more than" in refusal(file.getvalue())


def _bomb(*elements: bytes) -> bytes:
    """The meta information `elements` before 64 MiB of pixels, deflated to some kilobytes."""
    pixels = b"\xe0\x7f\x10\0OW\0\0" + struct.pack("<I", 64 << 20)
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return b"".join(elements) + packer.compress(pixels + bytes(64 << 20)) + packer.flush()


DEFLATED = b"\2\0\x10\0UI\x16\x001.2.840.10008.1.2.1.99"
PREAMBLE = bytes(128) + b"DICM"


@pytest.mark.parametrize(
    "elements",
    [
        (PREAMBLE, DEFLATED),
        (DEFLATED,),
        (PREAMBLE, b"\2\0\0\0UL\4\0\4\0\0\0", DEFLATED),
        (PREAMBLE, b"\2\0\0\0UL\4\0\xff\xff\xff\xff", DEFLATED),
        (PREAMBLE, b"\2\0\2\1OB\0\0" + struct.pack("<I", 4000) + bytes(4000), DEFLATED),
        (PREAMBLE, DEFLATED, b"\0\0\0\0\4\0\0\0\0\0\0\0"),
    ],
    ids=["no group length", "no preamble", "short length", "long length", "after 4,000 bytes", "command set"],
)
def test_no_header_leads_a_bomb_past_the_limit(elements, monkeypatch):
    monkeypatch.setattr(dicom_file, "MAX_BYTES", 16 << 20)
    bomb = _bomb(*elements)
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        message = refusal(bomb)
        assert tracemalloc.get_traced_memory()[1] < 60 << 20
    finally:
        tracemalloc.stop()
    assert "unpacks to more than" in message


def without_preamble(syntax: str) -> bytes:
    """The data set of a file alone, in that transfer syntax."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY * np.uint16(300))))
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = (GRAY * np.uint16(300)).astype(">u2").tobytes()
    file = io.BytesIO()
    del dataset.file_meta
    little = syntax != ExplicitVRBigEndian
    pydicom.dcmwrite(file, dataset, implicit_vr=False, little_endian=little, enforce_file_format=False)
    return file.getvalue()


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, ExplicitVRLittleEndian])
def test_a_data_set_alone_is_read_in_either_byte_order(syntax):
    assert np.array_equal(pixels(without_preamble(syntax)), pixels(dicom(GRAY * np.uint16(300))))


@pytest.mark.parametrize("header", [-zlib.MAX_WBITS, zlib.MAX_WBITS])
def test_a_deflated_data_set_is_read_with_and_without_the_header_of_zlib(header):
    whole = dicom(GRAY)
    syntax = b"UI\x14\x001.2.840.10008.1.2.1\0"
    deflated = b"UI\x16\x001.2.840.10008.1.2.1.99"
    start = whole.index(b"\x08\0\x05\0") if b"\x08\0\x05\0" in whole else whole.index(b"\x08\0\x16\0")
    packer = zlib.compressobj(wbits=header)
    packed = packer.compress(whole[start:]) + packer.flush()
    meta = whole[:start].replace(syntax, deflated)
    assert np.array_equal(pixels(meta + packed)[..., 0], GRAY)


def test_a_deflated_data_set_that_is_damaged_says_so():
    dataset = pydicom.dcmread(io.BytesIO(dicom(GRAY)))
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    assert "damaged" in refusal(file.getvalue()[:-400])


def test_a_dicomdir_is_named():
    assert "DICOMDIR" in refusal(shipped("DICOMDIR"))

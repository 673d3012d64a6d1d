"""The JPEG syntaxes of DICOM that Pillow cannot read: Lossless (what most archives compress with) and the 12-bit Extended one.

Is: a decoding plugin for pydicom (its `DECODER_DEPENDENCIES`, `is_available` and decoder function), through the libjpeg-turbo of
imagecodecs. Is not: imagecodecs' two other lossless JPEG codecs (`ljpeg`, `jpegsof3`), which crash the interpreter on damaged data.

libjpeg-turbo fills what is missing with grey and makes room for whatever size a header claims, so both are looked at before it is asked.
"""

import threading
from typing import NamedTuple

from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

NAME = "imagecodecs"
# syntax -> the marker of a frame in it; others (progressive, arithmetic) have no place there
FRAMES = {JPEGLossless: 0xC3, JPEGLosslessSV1: 0xC3, JPEGExtended12Bit: 0xC1}
DECODER_DEPENDENCIES = {syntax: ("numpy", "imagecodecs>=2026.3.6") for syntax in FRAMES}

_NOT_A_FRAME = (0xC4, 0xC8, 0xCC)  # tables, among the markers 0xC0 to 0xCF that begin a frame
_NO_CONVERSION = "UNKNOWN"  # of colours: pydicom does it, by what the DICOM header says
_END = b"\xff\xd9"
_REGISTERING = threading.Lock()  # pydicom refuses a plugin that it has


class Frame(NamedTuple):
    """What a JPEG header says: the marker of its kind, and (rows, columns, samples of a pixel)."""

    marker: int
    size: tuple[int, int, int]


def register() -> None:
    """Let pydicom decode these syntaxes; a second time changes nothing."""
    with _REGISTERING:
        for decoder in map(get_decoder, FRAMES):
            if NAME not in decoder.available_plugins:
                decoder.add_plugin(NAME, (__name__, "decode_frame"))


def is_available(uid: str) -> bool:
    """Whether `uid` names one of these syntaxes; imagecodecs is always installed with this project."""
    return uid in FRAMES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """The samples of one frame as pydicom takes them: rows, columns, samples of a pixel; 1 byte each up to 8 bits, else 2, low byte first.

    Errors: ValueError for a frame of another kind or size than the DICOM header's, or without an end; imagecodecs' Jpeg8Error, a
    RuntimeError, for damage.
    """
    from imagecodecs import jpeg8_decode

    frame = read_header(src)
    if frame.marker != FRAMES[runner.transfer_syntax]:
        raise ValueError(
            f"the JPEG is of kind 0x{frame.marker:X}, expected 0x{FRAMES[runner.transfer_syntax]:X}"
        )
    told = (runner.rows, runner.columns, runner.samples_per_pixel)
    if frame.size != told:
        raise ValueError(f"the JPEG holds {frame.size} rows, columns, samples, not {told}")
    if _END not in src:
        raise ValueError("the JPEG has no end")
    values = jpeg8_decode(src, colorspace=_NO_CONVERSION, outcolorspace=_NO_CONVERSION)
    runner.set_option("bits_allocated", 8 * values.itemsize)
    runner.set_option("planar_configuration", 0)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def read_header(src: bytes) -> Frame:
    """The first frame header in a JPEG stream (ITU-T T.81, B.2.2). Errors: ValueError where there is none."""
    at = 2
    while src[:2] == b"\xff\xd8" and at + 10 <= len(src) and src[at] == 0xFF:
        marker, length = src[at + 1], int.from_bytes(src[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_A_FRAME:
            return Frame(
                marker,
                (int.from_bytes(src[at + 5 : at + 7]), int.from_bytes(src[at + 7 : at + 9]), src[at + 9]),
            )
        at += 1 if marker == 0xFF else 2 + length  # 0xFF may fill the room before a marker
    raise ValueError("the data holds no JPEG")

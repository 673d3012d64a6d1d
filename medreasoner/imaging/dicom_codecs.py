"""Decoders for the JPEG transfer syntaxes that Pillow cannot read, as a plugin for pydicom.

JPEG Lossless (what most archives compress with), 12-bit JPEG Extended and High-Throughput JPEG 2000; and JPEG
2000 where Pillow gives up. They are imagecodecs' libjpeg-turbo and OpenJPEG. Its other lossless JPEG codecs
(`ljpeg`, `jpegsof3`) are not used, because they crash the interpreter on damaged data.

libjpeg-turbo fills what is missing with grey, and both libraries make room for whatever size a header claims,
so the size and the end of a frame are checked before it is decoded.
"""

import struct
import threading
from typing import NamedTuple

import numpy as np
from pydicom.pixels import get_decoder
from pydicom.pixels.decoders.base import DecodeRunner
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

PLUGIN = "imagecodecs"
# syntax -> the marker of a frame in it (ITU-T T.81, table B.1); progressive and arithmetic ones have no place
# there
JPEG_FRAMES = {JPEGLossless: 0xC3, JPEGLosslessSV1: 0xC3, JPEGExtended12Bit: 0xC1}
JPEG_2000 = (JPEG2000Lossless, JPEG2000, HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)
DECODER_DEPENDENCIES = {syntax: ("numpy", "imagecodecs>=2026.3.6") for syntax in (*JPEG_FRAMES, *JPEG_2000)}

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_MARKER = 0xFF  # the first byte of every marker
_FRAMES = range(0xC0, 0xD0)
_TABLES = (0xC4, 0xC8, 0xCC)  # not frames, though among them
_NO_CONVERSION = "UNKNOWN"  # of colours: pydicom does it, by what the DICOM header says
_SIZ = b"\xff\x4f\xff\x51"  # start of a JPEG 2000 codestream and of its sizes (ITU-T T.800, A.5.1)
_SIZ_FIELDS = struct.Struct(">HH8IH")
_TRANSFORMED = ("YBR_RCT", "YBR_ICT")  # colours that a JPEG 2000 decoder gives back as RGB
_REGISTERING = threading.Lock()  # pydicom refuses a plugin that it has


class JpegFrame(NamedTuple):
    """What a JPEG frame header says: its marker, and (rows, columns, samples of a pixel)."""

    marker: int
    size: tuple[int, int, int]


def register() -> None:
    """Let pydicom decode these syntaxes; a second call changes nothing."""
    with _REGISTERING:
        for decoder in map(get_decoder, DECODER_DEPENDENCIES):
            if PLUGIN not in decoder.available_plugins:
                decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))


def is_available(uid: str) -> bool:
    """Whether `uid` names one of these syntaxes; imagecodecs is always installed with this project."""
    return uid in DECODER_DEPENDENCIES


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """The samples of one frame as pydicom takes them: rows, columns, samples of a pixel; low byte first.

    Errors: ValueError for a frame of another kind or size than the DICOM header's, or without an end;
    imagecodecs' Jpeg8Error or Jpeg2kError, RuntimeErrors, for damage.
    """
    expected = (runner.rows, runner.columns, runner.samples_per_pixel)
    decode = _decode_jpeg if runner.transfer_syntax in JPEG_FRAMES else _decode_jpeg_2000
    values = decode(src, runner, expected)
    runner.set_option("bits_allocated", 8 * values.itemsize)
    runner.set_option("planar_configuration", 0)
    return values.astype(values.dtype.newbyteorder("<")).tobytes()


def _decode_jpeg(src: bytes, runner: DecodeRunner, expected: tuple[int, int, int]) -> np.ndarray:
    from imagecodecs import jpeg8_decode

    frame, marker = read_jpeg_header(src), JPEG_FRAMES[runner.transfer_syntax]
    if frame.marker != marker:
        raise ValueError(f"the JPEG is of kind 0x{frame.marker:X}, expected 0x{marker:X}")
    _check_size("JPEG", frame.size, expected)
    if _EOI not in src:
        raise ValueError("the JPEG has no end")
    return jpeg8_decode(src, colorspace=_NO_CONVERSION, outcolorspace=_NO_CONVERSION)


def _decode_jpeg_2000(src: bytes, runner: DecodeRunner, expected: tuple[int, int, int]) -> np.ndarray:
    from imagecodecs import jpeg2k_decode

    _check_size("JPEG 2000 image", read_jpeg_2000_size(src), expected)
    if runner.photometric_interpretation in _TRANSFORMED:
        runner.set_option("photometric_interpretation", "RGB")
    return jpeg2k_decode(src)


def _check_size(what: str, size: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    if size != expected:
        raise ValueError(f"the {what} holds {size} rows, columns, samples, not {expected}")


def read_jpeg_header(src: bytes) -> JpegFrame:
    """The first frame header of a JPEG stream (ITU-T T.81, B.2.2). Errors: ValueError where there is none."""
    position = 2
    while src[:2] == _SOI and position + 10 <= len(src) and src[position] == _MARKER:
        marker, length = src[position + 1], int.from_bytes(src[position + 2 : position + 4])
        if marker in _FRAMES and marker not in _TABLES:
            rows, columns = struct.unpack(">HH", src[position + 5 : position + 9])
            return JpegFrame(marker, (rows, columns, src[position + 9]))
        position += 1 if marker == _MARKER else 2 + length  # it may fill the room before a marker
    raise ValueError("the data holds no JPEG")


def read_jpeg_2000_size(src: bytes) -> tuple[int, int, int]:
    """(rows, columns, samples of a pixel) of a JPEG 2000 codestream; ValueError where there is none."""
    start = src.find(_SIZ) + len(_SIZ)
    if start < len(_SIZ) or len(src) < start + _SIZ_FIELDS.size:
        raise ValueError("the data holds no JPEG 2000 image")
    _, _, right, bottom, left, top, *_, samples = _SIZ_FIELDS.unpack_from(src, start)
    return bottom - top, right - left, samples

"""PNG, GIF and WebP files without names: texts, comments and EXIF go, but for how the picture is turned."""

import io
import struct
import zlib

from PIL import ExifTags, Image

from medreasoner.imaging.exif import exif_orientation
from medreasoner.imaging.png import SIGNATURE, png_chunks, without_texts

PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT")
GIF_HEADER = 13  # bytes before the first colour table
GIF_COMMENT, GIF_APPLICATION, GIF_TEXT = 0xFE, 0xFF, 0x01
WEBP_TEXTS = (b"EXIF", b"XMP ")


def nameless_png(data: bytes) -> bytes:
    """The chunks of the picture, and EXIF that holds the orientation alone."""
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


def nameless_gif(data: bytes) -> bytes:
    """Comments, texts and what applications wrote become blanks; b"" for a file that breaks off between."""
    if len(data) < GIF_HEADER:
        return b""
    blank, at = bytearray(data), GIF_HEADER + _colours(data[10])
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C and at + 9 < len(data):  # a frame
            at += 11 + _colours(data[at + 9])
            wipe = False
        elif data[at] == 0x21 and at + 1 < len(data):
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


def nameless_webp(data: bytes) -> bytes:
    """EXIF becomes one that holds the orientation alone, other texts become zeros."""
    blank, at = bytearray(data), 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        if data[at : at + 4] in WEBP_TEXTS:
            room = min(length, len(data) - at - 8)
            exif = _exif(data) if data[at : at + 4] == b"EXIF" else b""
            blank[at + 8 : at + 8 + room] = (exif if len(exif) <= room else b"").ljust(room, b"\0")
        at += 8 + length + length % 2
    return bytes(blank)

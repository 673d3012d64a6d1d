"""PNG files beyond Pillow: without the chunks that have nothing to do with their pixels, whether all pixels
are there, and 16-bit grey with opacity, of which Pillow keeps 8 bits.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Texts and colour profiles. Pillow refuses a whole file for one that is long or damaged.
DROPPED = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
EXIF_TEXT = b"Raw profile type exif\0"  # ImageMagick's way to write EXIF, and with it the orientation
LONGEST_EXIF = 1 << 16
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
HEADER_END = 21  # of the first chunk's bytes, its checksum left out
DEEP, GRAY_WITH_OPACITY = 16, 4  # depth in bits, colour type
BLOCK = 1 << 20  # bytes unpacked at once


def without_texts(data: bytes) -> bytes:
    """A PNG file without its texts and colour profiles; whatever is damaged stays as it is."""
    return SIGNATURE + b"".join(
        chunk for name, chunk in png_chunks(data) if name not in DROPPED or _is_exif(chunk)
    )


def lacks_rows(data: bytes) -> bool:
    """Whether a PNG file's data ends before its last row; Pillow fills what is missing with black, in
    silence.

    A file that is damaged otherwise lacks none: its decoder says what is wrong.
    """
    chunks = list(png_chunks(data))
    try:
        expected = _unpacked_bytes(*_header(chunks))
        return (
            _count_unpacked((chunk[8:-4] for name, chunk in chunks if name == b"IDAT"), expected) < expected
        )
    except (struct.error, zlib.error, KeyError):
        return False


def gray_with_opacity(data: bytes) -> np.ndarray | None:
    """The pixels (H, W, 2) uint16 of a PNG file that holds grey and opacity in 16 bits; None of any other.

    Errors: ValueError for damage.
    """
    chunks = list(png_chunks(data))
    if len(chunks[0][1]) < HEADER_END or _header(chunks)[2:4] != (DEEP, GRAY_WITH_OPACITY):
        return None
    from imagecodecs import PngError, png_decode  # takes a while to import

    try:
        return png_decode(data)
    except PngError as error:
        raise ValueError(str(error)) from error


def _header(chunks: list[tuple[bytes, bytes]]) -> tuple[int, ...]:
    """(width, height, depth, colour type, interlaced). struct.error where the first chunk is too short."""
    return struct.unpack(">IIBBxxB", (chunks[0][1] if chunks else b"")[8:HEADER_END])


def _unpacked_bytes(width: int, height: int, depth: int, color: int, interlaced: int) -> int:
    """How many bytes the rows take, each with its filter byte. KeyError for a colour type that is none."""
    bits, total = depth * CHANNELS[color], 0
    for left, top, across, down in ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * bits // 8))
    return total


def _count_unpacked(parts: Iterator[bytes], enough: int) -> int:
    """How many bytes the compressed `parts` hold, counted up to `enough`."""
    unpacker, count = zlib.decompressobj(), 0
    for part in parts:
        while part and count < enough:
            count += len(unpacker.decompress(part, BLOCK))
            part = unpacker.unconsumed_tail
    return count


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Each chunk's name and all its bytes; the last one may be cut short."""
    position = len(SIGNATURE)
    while position < len(data):
        head = data[position : position + 8]
        length = struct.unpack(">I", head[:4])[0] if len(head) == len(SIGNATURE) else len(data)
        end = position + 12 + length  # length, name, contents, checksum
        yield head[4:], data[position:end]
        position = end


def _is_exif(chunk: bytes) -> bool:
    return chunk[8:].startswith(EXIF_TEXT) and len(chunk) <= LONGEST_EXIF

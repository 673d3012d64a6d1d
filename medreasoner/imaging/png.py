"""PNG files without the chunks that have nothing to do with their pixels."""

import struct
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Texts and colour profiles. Pillow refuses a whole file for one that is long or damaged.
DROPPED = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
EXIF_TEXT = b"Raw profile type exif\0"  # ImageMagick's way to write EXIF, and with it the orientation
LONGEST_EXIF = 1 << 16


def without_texts(data: bytes) -> bytes:
    """A PNG file without its texts and colour profiles; whatever is damaged stays as it is."""
    return SIGNATURE + b"".join(
        chunk for name, chunk in _chunks(data) if name not in DROPPED or _is_exif(chunk)
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
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

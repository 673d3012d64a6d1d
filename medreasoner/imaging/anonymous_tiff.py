"""A TIFF file without names: what its pages say of their pixels, and these."""

import io
import struct
from typing import TYPE_CHECKING

from medreasoner.imaging.tiff import PARSE_ERRORS
from medreasoner.imaging.types import MAX_FRAMES

if TYPE_CHECKING:
    from tifffile import TiffFormat, TiffPage

# TIFF 6.0: the tags that say how pixels are stored, and what they mean
TIFF_TAGS = {
    *(254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 280, 281, 282, 283, 284, 290),
    *(291, 292, 293, 296, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 332, 334, 336, 338, 339, 340),
    *(341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 559, 32997, 32998),
}


def nameless_tiff(data: bytes) -> bytes:
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

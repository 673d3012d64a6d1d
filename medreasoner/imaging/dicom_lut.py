"""Lookup tables of a DICOM header: modality LUTs and VOI LUTs, as they are really written.

pydicom applies tables that follow the standard; these also take bytes that are packed one entry a byte, first
values that were written unsigned, and depths larger than the entries'.
"""

from dataclasses import dataclass

import numpy as np
from pydicom import Dataset

from medreasoner.imaging.dicom_header import ELEMENT_ERRORS
from medreasoner.imaging.window import rescale_to_uint8

WORD = 1 << 16  # the descriptor holds 16-bit numbers; a table of that many entries is written as 0
BYTE = 8


@dataclass(frozen=True)
class LookupTable:
    """`entries` are what the input values `first`, `first` + 1, … become; values before and after take the
    nearest.
    """

    first: int
    entries: np.ndarray

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Entries of the shape of `values`, which are rounded."""
        index = np.rint(values).astype(np.int64) - self.first
        return self.entries[np.clip(index, 0, len(self.entries) - 1)]

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Values -> uint8; 255 is the table's largest entry, for many state more bits than their entries
        have.
        """
        return rescale_to_uint8(self.look_up(values), 0.0, float(self.entries.max()))


def read_table(item: Dataset, little_endian: bool, signed_input: bool) -> LookupTable | None:
    """The table of an item of a ModalityLUTSequence or VOILUTSequence (PS3.3 C.11.1.1); None if it holds
    none.

    Args:
        little_endian: byte order of entries that stand as bytes.
        signed_input: whether the values that are looked up can be negative, so that the first one may be.
    """
    try:
        descriptor, data = item.get("LUTDescriptor"), item.get("LUTData")
        count, first, bits = (int(value) for value in descriptor)
    except (*ELEMENT_ERRORS, TypeError):  # no descriptor, or not of three whole numbers
        return None
    count, first = count % WORD or WORD, first % WORD
    if signed_input and first >= WORD // 2:
        first -= WORD
    entries = _entries(data, count, bits, little_endian)
    return None if entries is None else LookupTable(first, entries)


def _entries(data: object, count: int, bits: int, little_endian: bool) -> np.ndarray | None:
    """`count` entries from bytes (VR OW) or numbers (VR US); None if there are too few."""
    order = "<" if little_endian else ">"
    if isinstance(data, bytes):
        words = np.frombuffer(data[: len(data) // 2 * 2], f"{order}u2")
    else:
        words = np.atleast_1d(np.asarray(data if data is not None else [], dtype=np.int64)) % WORD
    if len(words) >= count:
        return words[:count].astype(np.int64)
    packed = words.astype("<u2").view(np.uint8)  # the first of two entries is the low byte of their word
    return packed[:count].astype(np.int64) if bits <= BYTE and len(packed) >= count else None

"""Gives memory that was freed back to the system, which empties it: what a visitor sent is not to lie about
there until something else is written over it."""

import ctypes
import gc
from collections.abc import Callable


def give_back(collect: bool = False) -> None:
    """Whole pages that nothing is held in; does nothing where the C library cannot do it (it is glibc's).

    Args:
        collect: free what only refers to itself first; slow in a process that holds much.
    """
    if collect:
        gc.collect()
    if _TRIM is not None:
        _TRIM(0)


def _trim() -> Callable[[int], int] | None:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return None


_TRIM = _trim()

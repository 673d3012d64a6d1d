"""The process in which images are opened; `opener.ImageOpener` starts it, asks it, and ends it."""

import hashlib
import logging
import os
import sys
import traceback
import warnings
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from medreasoner.imaging.anonymous import without_names
from medreasoner.imaging.freed_memory import give_back
from medreasoner.imaging.opener import receive, send, send_image
from medreasoner.imaging.read import GZIP, load_image, read_bytes, unzipped
from medreasoner.imaging.types import (
    ImageError,
    LoadedImage,
    ViewOptions,
    ViewSelection,
    has_choices,
    select_number,
)


def open_file(source: Path | bytes, view: ViewSelection) -> tuple[LoadedImage, bytes]:
    """One image, and what its other views are made from: b"" where it has none. Errors: ImageError."""
    data = read_bytes(source)
    loaded = load_image(data, view.slice, view.axis, view.frame, view.window)
    if not has_choices(loaded.options):
        return loaded, b""
    rest = without_names(data) if isinstance(source, Path) else data
    if not rest:  # of a format from which names cannot be taken nothing is kept, so there is no choice
        loaded = replace(loaded, options=ViewOptions())
    return loaded, rest


class KeptVolume:
    """The NIfTI volume that was asked for a slice last, unpacked once for all its slices."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Make room for another file."""
        self._key, self._opened = None, None

    def slice(self, data: bytes, view: ViewSelection) -> LoadedImage:
        """A slice of the volume that `data` holds, compressed or not. Errors: ImageError."""
        from medreasoner.imaging.nifti import open_nifti, show_slice

        key = (hashlib.blake2b(data).digest(), view.axis, view.frame)
        if key != self._key:
            self.forget()
            self._opened = open_nifti(unzipped(data) if data[:2] == GZIP else data, view)
            self._key = key
        number = select_number("slice", view.slice, self._opened.slices)
        return show_slice(self._opened, number, view.window)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until their pipe closes: with a sentence for what cannot be opened; else with the
    image's facts, and then its pixels."""
    send(answers, "ready")
    kept = KeptVolume()
    while True:
        data = b""  # what was sent before is not to be held beside the next
        give_back(collect=True)
        try:
            (path, view, keep), data = receive(requests)
        except EOFError:
            return
        try:
            if keep:
                loaded, rest = kept.slice(data, ViewSelection(**view)), b""
            else:
                kept.forget()
                loaded, rest = open_file(path or data, ViewSelection(**view))
        except ImageError as error:
            send(answers, str(error))
            continue
        except MemoryError:
            return
        send(answers, replace(loaded, image=loaded.image.size), rest)
        send_image(answers, loaded.image)


def _limit(memory: int) -> None:
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold the patient's picture


def _tell_without_values(kind: type[BaseException], _: BaseException, trace: object) -> None:
    """What is told of an error that was not foreseen: where it happened. Its message may name the patient."""
    sys.stderr.write(f"{''.join(traceback.format_tb(trace))}{kind.__name__} while an image was opened\n")


if __name__ == "__main__":
    _limit(int(sys.argv[1]))
    sys.excepthook = _tell_without_values
    warnings.simplefilter("ignore")  # pydicom's quote values of the header
    logging.disable()
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the answers
    serve(sys.stdin.buffer, pipe)

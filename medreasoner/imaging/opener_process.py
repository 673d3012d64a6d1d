"""The process in which images are opened; `opener.ImageOpener` starts it, asks it, and ends it."""

import logging
import os
import sys
import traceback
import warnings
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from medreasoner.imaging.anonymous import without_names
from medreasoner.imaging.opener import receive, send, send_image
from medreasoner.imaging.read import load_image, read_bytes
from medreasoner.imaging.types import ImageError, LoadedImage, ViewOptions, ViewSelection, has_choices


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


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until their pipe closes: with a sentence for what cannot be opened; else with the
    image's facts, and then its pixels."""
    send(answers, "ready")
    while True:
        try:
            (path, view), data = receive(requests)
        except EOFError:
            return
        try:
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

"""Opens images in a process of their own, one at a time, within a limit of memory and of time.

A decoder that a hostile file leads astray ends with its process: the server goes on, and other visitors
notice nothing. The limits hold whatever a file's header claims, for the system keeps them. It is no sandbox:
the process may do what the server may do.
"""

import os
import pickle
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from medreasoner.imaging.types import ImageError, LoadedImage, ViewSelection

SECONDS = 45  # for one image
MEMORY = 1280 << 20  # bytes of data that the process may hold
LARGE = 25_000_000  # pixels and bytes of a file together; after these a fresh process is started
STRIP = 1 << 22  # pixels that pass between the processes at a time
LENGTH = struct.Struct("<Q")
PACKAGES = Path(__file__).parents[2]  # where the other process finds this package


class Opened(NamedTuple):
    """An image that was opened.

    Args:
        loaded: what is shown.
        rest: the file without names (see `anonymous`), for other slices, frames and windows of it; None where
            there are none.
    """

    loaded: LoadedImage
    rest: bytes | None


class ImageOpener:
    """Opens images for a server; safe to use from several threads, which then wait for each other.

    Args:
        seconds, memory: the limits of one image. The limit of memory is kept on Linux alone.
    """

    def __init__(self, seconds: float = SECONDS, memory: int = MEMORY) -> None:
        self._seconds, self._memory = seconds, memory
        self._one_at_a_time = threading.Lock()
        self._is_ready = False  # whether the process has said so
        self._process: subprocess.Popen | None = None
        self._running()  # it takes a moment to start

    def open(self, source: Path | bytes, view: ViewSelection | None = None) -> Opened:
        """Open a file, or other views of one: its path or what it holds. Errors: ImageError."""
        return self._asked(source, view or ViewSelection(), keep=False)

    def open_slice(self, volume: bytes, view: ViewSelection) -> LoadedImage:
        """A slice of a NIfTI volume of which others are to follow: the process keeps it unpacked until it is
        asked for another file. Errors: ImageError."""
        return self._asked(volume, view, keep=True).loaded

    def _asked(self, source: Path | bytes, view: ViewSelection, keep: bool) -> Opened:
        """Ask the process, and end it where it takes too much."""
        with self._one_at_a_time:
            process = self._running()
            late = threading.Event()
            self._await_start(process)
            timer = threading.Timer(self._seconds, lambda: (late.set(), process.kill()))
            timer.start()
            try:
                path, data = (source, b"") if isinstance(source, Path) else (None, source)
                send(process.stdin, (path, asdict(view), keep), data)
                answer, rest = receive(process.stdout)
                if isinstance(answer, str):
                    raise ImageError(answer)
                loaded = replace(answer, image=receive_image(process.stdout, answer.image))
                if loaded.image.width * loaded.image.height + len(rest) > LARGE:
                    self._end(process)  # so that the system gets its memory back
                return Opened(loaded, rest or None)
            except (EOFError, OSError) as error:
                self._end(process)
                raise ImageError(self._too_much(late.is_set())) from error
            finally:
                timer.cancel()

    def _end(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait()
        self._running()

    def _too_much(self, late: bool) -> str:
        if late:
            return f"Opening this file took over {self._seconds:g} s; give a smaller image, or one slice."
        return (
            f"This file is damaged, or opening it takes more than {self._memory >> 20} MiB of memory; "
            "give a smaller image, or one slice."
        )

    def _await_start(self, process: subprocess.Popen) -> None:
        """The time that Python takes to start is not the file's fault."""
        if not self._is_ready:
            receive(process.stdout)
            self._is_ready = True

    def _running(self) -> subprocess.Popen:
        if self._process is None or self._process.poll() is not None:
            paths = [str(PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
            threads = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._is_ready = False
            self._process = subprocess.Popen(
                [sys.executable, "-m", "medreasoner.imaging.opener_process", str(self._memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths)},
            )
        return self._process


def send(pipe: BinaryIO, value: object, data: bytes = b"") -> None:
    """Write a value and a file's bytes, which may be many, each with its length before it."""
    for part in (pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL), data):
        pipe.write(LENGTH.pack(len(part)))
        pipe.write(part)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[object, bytes]:
    """The next value and bytes. Errors: EOFError where the other process has ended."""
    parts = []
    for _ in range(2):
        (length,) = LENGTH.unpack(_exactly(pipe, LENGTH.size))
        parts.append(_exactly(pipe, length))
    return pickle.loads(parts[0]), parts[1]


def send_image(pipe: BinaryIO, image: Image.Image) -> None:
    """Write an RGB image, strip by strip, so that it is never held twice."""
    for top, bottom in _strips(image.size):
        pipe.write(image.crop((0, top, image.width, bottom)).tobytes())
    pipe.flush()


def receive_image(pipe: BinaryIO, size: tuple[int, int]) -> Image.Image:
    """The next RGB image, which is `size` (width, height)."""
    image = Image.new("RGB", size)
    for top, bottom in _strips(size):
        strip = _exactly(pipe, 3 * size[0] * (bottom - top))
        image.paste(Image.frombytes("RGB", (size[0], bottom - top), strip), (0, top))
    return image


def _strips(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    width, height = size
    rows = max(1, STRIP // width)
    return ((top, min(top + rows, height)) for top in range(0, height, rows))


def _exactly(pipe: BinaryIO, length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise EOFError("the other process has ended")
    return data

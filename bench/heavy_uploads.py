"""What the worst files cost a served page: peak memory over the idle server, and how long another visitor
waits for a static file meanwhile.

    python -m bench.heavy_uploads [--only frames.gif]

The page runs as `make demo` serves it, with the embedded model; the files (`heavy_files.py`) are uploaded and
opened as the page's script does it. Memory is that of the server and of the process that opens files.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from bench.heavy_files import FILES, written
from bench.page_visit import PATIENCE, Visitor
from bench.picture import served
from medreasoner.page.examples import load_examples

STATIC = "/theme.css"
PAUSE = 0.2  # seconds between two looks


class Watch:
    """Looks at a process and its children, or asks for a file, again and again while something is done."""

    def __init__(self, look: Callable[[], float]) -> None:
        self.seen: list[float] = []
        self._look, self._over = look, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.seen.append(self._look())
            if self._over.wait(PAUSE):
                return


def memory(process: int) -> float:
    """MiB of a process and its children together."""
    everyone, total = [psutil.Process(process)], 0
    everyone += everyone[0].children(recursive=True)
    for each in everyone:
        try:
            total += each.memory_info().rss
        except psutil.NoSuchProcess:
            continue  # it has ended meanwhile
    return total / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=FILES)
    args = parser.parse_args()
    with served() as (address, process), tempfile.TemporaryDirectory() as folder:
        other = httpx.Client(base_url=address, timeout=PATIENCE)

        def waits() -> float:
            begun = time.monotonic()
            other.get(STATIC).raise_for_status()
            return time.monotonic() - begun

        with Visitor(address) as first:  # what is loaded once, for the first visitor, is no file's fault
            first.open(load_examples()[0].image)
        with Watch(waits) as idle_waits:
            time.sleep(5)
        print(f"idle: {memory(process):,.0f} MiB, {STATIC} after {max(idle_waits.seen):.2f} s at most")
        for name in [args.only] if args.only else FILES:
            path = written(Path(folder), name)
            idle = memory(process)
            with Visitor(address) as visitor, Watch(lambda: memory(process)) as held, Watch(waits) as waited:
                begun = time.monotonic()
                said = visitor.open(path)["text"]
                seconds = time.monotonic() - begun
                time.sleep(3)  # the model takes the image in
            print(
                f"{name:16}{path.stat().st_size / 2**20:7.1f} MiB, opened in {seconds:5.1f} s, "
                f"+{max(held.seen) - idle:5,.0f} MiB at most, another visitor's file after "
                f"{statistics.median(waited.seen):.2f} s, {max(waited.seen):.2f} s at most: {said}",
                flush=True,
            )
            path.unlink()


if __name__ == "__main__":
    main()

"""Runs one stage of a build, resumable after a kill: line n of its file is made from item n of its input.

Lines are only ever appended. After a kill the last line may be cut short; it is taken off, and the work
resumes with the item it stood for. So a stage that was killed any number of times holds the same bytes as one
that never was, if its work depends on the item alone.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
BLOCK = 1 << 20  # bytes read at once


class StageError(ValueError):
    """A stage cannot be resumed; the message says why and what to do."""


def read_lines(path: Path) -> Iterator[dict]:
    """The whole lines of a stage's file; none where there is no file."""
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield json.loads(line)


def count_whole_lines(path: Path) -> int:
    """How many lines of the file are whole; what follows them is cut off."""
    if not path.is_file():
        return 0
    lines, whole, offset = 0, 0, 0
    with path.open("r+b") as file:
        while block := file.read(BLOCK):
            lines += block.count(b"\n")
            if b"\n" in block:
                whole = offset + block.rindex(b"\n") + 1
            offset += len(block)
        file.truncate(whole)
    return lines


def run_stage(path: Path, items: Iterable[T], work: Callable[[T], dict], workers: int = 1) -> int:
    """Append the line of every item that has none yet; returns how many were made now.

    Args:
        work: item -> line. It may write files of its own, and writes them again if the item comes again.
        workers: how many threads work at once; the order of the lines is that of the items all the same.

    Errors: those of `work`. Lines of earlier items are written before; items in work are finished, so what
        was paid for them is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    done = count_whole_lines(path)
    made = 0
    with path.open("a", encoding="utf-8") as file:
        for line in _in_order(islice(iter(items), done, None), work, workers):
            file.write(json.dumps(line) + "\n")
            file.flush()
            made += 1
    return made


def _in_order(items: Iterator[T], work: Callable[[T], dict], workers: int) -> Iterator[dict]:
    if workers == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def digest(*parts: str | bytes | Path) -> str:
    """SHA-256 over texts and the contents of files, in this order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part
        data = data.encode() if isinstance(data, str) else data
        total.update(len(data).to_bytes(8) + data)
    return total.hexdigest()


def note_made_with(folder: Path, stage: str, made_with: str) -> None:
    """Note in `folder` what `stage` is made with. Errors: StageError if it was begun with something else."""
    path = folder / "made_with.json"
    notes = json.loads(path.read_text()) if path.is_file() else {}
    if notes.get(stage, made_with) != made_with:
        raise StageError(
            f"{folder / stage}.jsonl was begun from another source, with other options or by another version "
            f"of the code or wordings; choose another --out, or delete {folder} to begin anew "
            "(answers that were paid for are kept beside it, in requests)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(notes | {stage: made_with}, indent=1) + "\n")
    part.replace(path)

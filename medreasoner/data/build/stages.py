"""Stages that go on where they were: line n of a stage's file is made from item n of its input, and lines are only ever appended.

Is: the driver of one stage, with several items in hand at once if asked, and the note of what a stage was made with.
Is not: what a stage does.

After a kill the last line may be cut; it is taken off, and the work goes on with the item it stood for. So a stage that was killed any
number of times holds the same bytes as one that never was, if its work depends on the item alone.
"""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

Thing = TypeVar("Thing")
BLOCK = 1 << 20  # bytes read at once


class StageError(ValueError):
    """A stage cannot go on; the message says why and what to do."""


def read_lines(path: Path) -> Iterator[dict]:
    """The finished lines of a stage; none where there is no file."""
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.endswith("\n"):
                    yield json.loads(line)


def finished(path: Path) -> int:
    """How many lines are whole; what was begun after them is taken off the file."""
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


def run_stage(path: Path, things: Iterable[Thing], work: Callable[[Thing], dict], workers: int = 1) -> int:
    """Append the line of every thing that has none yet; returns how many were made now.

    Args:
        work: thing -> line. It may write files of its own, which it writes again if it is asked again.
        workers: how many threads work at once; lines are written in the order of the things all the same.

    Errors: those of `work`. Lines of earlier things are written before; things in hand are finished, so what they paid for is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    done = finished(path)
    made = 0
    with path.open("a", encoding="utf-8") as file:
        for line in _ordered(islice(iter(things), done, None), work, workers):
            file.write(json.dumps(line) + "\n")
            file.flush()
            made += 1
    return made


def _ordered(things: Iterator[Thing], work: Callable[[Thing], dict], workers: int) -> Iterator[dict]:
    if workers == 1:
        yield from map(work, things)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque = deque()
        try:
            for thing in things:
                waiting.append(pool.submit(work, thing))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def digest(*parts: str | bytes | Path) -> str:
    """One name for texts and for files' contents, in this order."""
    total = hashlib.sha256()
    for part in parts:
        data = part.read_bytes() if isinstance(part, Path) else part.encode() if isinstance(part, str) else part
        total.update(len(data).to_bytes(8) + data)
    return total.hexdigest()


def made_with(folder: Path, stage: str, what: str) -> None:
    """Note in `folder` that `stage` is made with `what`. Errors: StageError if it was begun with something else."""
    path = folder / "made_with.json"
    notes = json.loads(path.read_text()) if path.is_file() else {}
    if notes.get(stage, what) != what:
        raise StageError(
            f"{folder / stage}.jsonl was begun from another source, with other options or by another version of the code or wordings; "
            f"choose another --out, or delete {folder} to begin anew (answers that were paid for are kept beside it, in requests)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(notes | {stage: what}, indent=1) + "\n")
    part.replace(path)

"""The records of a run: one JSON line per sample, written as it is made, so that a run that was killed goes on where it was.

Is: the files, alone or one per process that shares the work, and the order in which samples are asked.
Is not: a score (`scores.py`) or a summary (`evaluate.py`).
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample, SampleError
from medreasoner.evaluation.scoring import OpenedSample, Opener, Record
from medreasoner.imaging import ImageError

Tell = Callable[[str, int, int], None]  # file, records done, records in all
Key = tuple[str, str]  # id and question
POLL = 0.2  # seconds between two looks at what the other processes have written


@dataclass(frozen=True)
class Unanswered:
    """A sample that has no record, and why: its files cannot be used, or no answer came (`request`), so that the next run asks again."""

    id: str
    question: str
    reason: str
    request: bool = False

    def __str__(self) -> str:
        return f"{self.id}: {self.reason}"


@dataclass(frozen=True)
class Shard:
    """Which of `of` equal parts of the samples this process asks; 0 of 1 is everything."""

    rank: int = 0
    of: int = 1

    @staticmethod
    def from_environment() -> "Shard":
        """As `accelerate launch` and torchrun say it."""
        return Shard(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    def part(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """A stretch, so that questions about one image stay side by side."""
        return samples[len(samples) * self.rank // self.of : len(samples) * (self.rank + 1) // self.of]


@dataclass
class EvaluationRecords:
    """What became of a list of samples: records in their order, and those that have none."""

    records: list[Record] = field(default_factory=list)
    unasked: list[Unanswered] = field(default_factory=list)


def resume(
    samples: Sequence[Sample],
    path: Path,
    run: dict,
    opener: Opener,
    work: Callable[[Sequence[OpenedSample]], Iterable[Record | Unanswered]],
    tell: Tell,
    together: int = 1,
    shard: Shard | None = None,
) -> EvaluationRecords:
    """One record for every sample, from `path` where it is there already, else made by `work` and written at once.

    Args:
        run: what made the records. A file whose records were made by anything else is refused (DataError).
        together: so many samples are given to `work` at a time.
        shard: this process asks its part and writes it to a file of its own; all of them return when all are done, with the same.
    """
    shard = shard or Shard()
    path.parent.mkdir(parents=True, exist_ok=True)
    own = path if shard.of == 1 else path.with_name(f"{path.stem}.rank{shard.rank}of{shard.of}{path.suffix}")
    _cut(own)
    if shard.of > 1:  # what got no record last time is asked again; the others must not take it for done
        write_whole(
            own, "".join(_line(record) for record in read_records(own, run) if "unasked" not in record)
        )
    part = shard.part(samples)
    known = _read_all(path, run)
    todo = [sample for sample in part if not _fits(known.get(_key(sample)), sample)]
    told = len(part) - len(todo)
    with own.open("a", encoding="utf-8") as file:
        for begin in range(0, len(todo), together):
            for result in _made(todo[begin : begin + together], opener, work):
                record = {**_record(result), "run": run}
                if (
                    shard.of > 1 or "unasked" not in record
                ):  # the other processes must know what will get no record
                    file.write(_line(record))
                    file.flush()
                known[record["id"], record["question"]] = record
                told += 1
                tell(own.name, told, len(part))
    if not todo:
        tell(own.name, told, len(part))
    if shard.of > 1:
        known = _wait(samples, path, run, tell, shard.of)
    return _in_order(samples, known)


def _line(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def _record(result: Record | Unanswered) -> Record:
    if isinstance(result, Unanswered):
        return {"id": result.id, "question": result.question, "unasked": asdict(result)}
    return result


def _made(samples: Sequence[Sample], opener: Opener, work: Callable) -> Iterable[Record | Unanswered]:
    cases = []
    for sample in samples:
        try:
            cases.append(opener.open(sample))
        except (ImageError, SampleError) as error:
            yield Unanswered(sample.id, sample.question, str(error))
    if cases:
        yield from work(cases)


def _wait(samples: Sequence[Sample], path: Path, run: dict, tell: Tell, of: int) -> dict[Key, Record]:
    """The records of all processes, once each sample has one; the launcher ends the waiting if one of them dies."""
    while True:
        known = _read_all(path, run, of)
        lacking = sum(_key(sample) not in known for sample in samples)
        if not lacking:
            return known
        tell(f"{path.name}, all processes", len(samples) - lacking, len(samples))
        time.sleep(POLL)


def _in_order(samples: Sequence[Sample], known: dict[Key, Record]) -> EvaluationRecords:
    asked = EvaluationRecords()
    for sample in samples:
        record = known[_key(sample)]
        if "unasked" in record:
            asked.unasked.append(Unanswered(**record["unasked"]))
        else:
            asked.records.append(record)
    return asked


def _key(sample: Sample) -> Key:
    return sample.id, sample.question


def _fits(record: Record | None, sample: Sample) -> bool:
    """Whether the sample has its record, and its truth was not mended since."""
    if record is None or sample.box is None:
        return record is not None
    return record["truth"] is not None and tuple(record["truth"]["box"]) == tuple(sample.box)


def _read_all(path: Path, run: dict, of: int = 0) -> dict[Key, Record]:
    """The records of `path` and of all processes' own files beside it; where a sample has several, the last. What got no record is told
    only by the processes of this run, `of` in number."""
    known: dict[Key, Record] = {}
    for file in [path, *sorted(path.parent.glob(f"{path.stem}.rank*{path.suffix}"))]:
        for record in read_records(file, run):
            key = record["id"], record["question"]
            if "unasked" not in record or (key not in known and file.stem.endswith(f"of{of}")):
                known[key] = record
    return known


def _cut(path: Path) -> None:
    """Remove a last line that a kill cut short."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def read_records(path: Path, run: dict | None = None) -> list[Record]:
    """The whole lines of `path`, [] if it is not there.

    Args:
        run: what must have made them, None for anything. Errors: DataError for other ones, and for a line that is not JSON.
    """
    data = path.read_bytes() if path.exists() else b""
    records = []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{path}, line {number} is not JSON ({error}); delete that line or the file"
            ) from error
        if run is not None and record["run"] != run:
            raise DataError(
                f"{path} was made by {record['run']}, now it is {run}; choose another folder, or delete the file to begin anew"
            )
        records.append(record)
    return records


def write_whole(path: Path, text: str) -> None:
    """Put `text` into `path` at once: nobody ever reads half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)

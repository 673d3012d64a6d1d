"""Answering samples so that a killed run goes on where it was, alone or shared between processes.

Every process appends to a file of its own and reads those of the others; all return when every sample has its
record.
"""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medreasoner.data.sample import Sample, SampleError
from medreasoner.evaluation.opened_sample import OpenedSample, SampleOpener
from medreasoner.evaluation.record import Record, RunInfo
from medreasoner.evaluation.record_file import (
    Unanswered,
    cut_off_half_line,
    line,
    read_lines,
    read_records,
    write_whole,
)
from medreasoner.imaging import ImageError

Progress = Callable[[str, int, int], None]  # file, records done, records in all
Work = Callable[[Sequence[OpenedSample]], Iterable[Record | Unanswered]]
Key = tuple[str, str]  # id and question
POLL = 0.2  # seconds between two readings of what the other processes have written


@dataclass(frozen=True)
class Shard:
    """Which of `of` equal parts of the samples this process answers; 0 of 1 is everything."""

    rank: int = 0
    of: int = 1

    @staticmethod
    def from_environment() -> "Shard":
        """As `accelerate launch` and torchrun set it."""
        return Shard(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))

    def part(self, samples: Sequence[Sample]) -> Sequence[Sample]:
        """A contiguous stretch, so that questions about one image stay side by side."""
        return samples[len(samples) * self.rank // self.of : len(samples) * (self.rank + 1) // self.of]

    def file(self, path: Path) -> Path:
        """The file of this process."""
        return (
            path if self.of == 1 else path.with_name(f"{path.stem}.rank{self.rank}of{self.of}{path.suffix}")
        )


@dataclass
class EvaluationRecords:
    """What became of a list of samples: their records in order, and those that have none."""

    records: list[Record] = field(default_factory=list)
    unanswered: list[Unanswered] = field(default_factory=list)


@dataclass(frozen=True)
class Job:
    """How samples are answered.

    Args:
        path: of the records. run: what makes them. masks: true masks are read.
        work: makes records of opened samples, `together` of them at a time.
        shard: this process answers its part.
        progress: takes a file's name, the records it has and those it will have, after each record.
    """

    path: Path
    run: RunInfo
    work: Work
    together: int = 1
    masks: bool = True
    shard: Shard = field(default_factory=Shard)
    progress: Progress = lambda file, done, of: None


def resume(samples: Sequence[Sample], job: Job) -> EvaluationRecords:
    """One record for every sample: from the job's file where it is there already, else made and written at
    once.

    Errors: DataError for a file whose records were made by anything else than `job.run`.
    """
    job.path.parent.mkdir(parents=True, exist_ok=True)
    own, shared = job.shard.file(job.path), job.shard.of > 1
    cut_off_half_line(own)
    if shared:  # what got no record last time is asked again; the others must not take it for done
        write_whole(own, "".join(line(record.to_json()) for record in read_records(own, job.run)))
    part = job.shard.part(samples)
    known = _read_all(job)
    missing = [sample for sample in part if not _fits(known.get(_key(sample)), sample)]
    done = len(part) - len(missing)
    with own.open("a", encoding="utf-8") as file:
        for result in _make(missing, job):
            if isinstance(result, Record):
                result = replace(result, run=job.run)
                file.write(line(result.to_json()))
            elif shared:  # the other processes must know what will get no record
                file.write(line(result.to_json(job.run)))
            file.flush()
            known[result.id, result.question] = result
            done += 1
            job.progress(own.name, done, len(part))
    if not missing:
        job.progress(own.name, done, len(part))
    if shared:
        known = _wait(samples, job)
    results = [known[_key(sample)] for sample in samples]
    return EvaluationRecords(
        [result for result in results if isinstance(result, Record)],
        [result for result in results if isinstance(result, Unanswered)],
    )


def _make(samples: Sequence[Sample], job: Job) -> Iterable[Record | Unanswered]:
    opener = SampleOpener(job.masks)
    for begin in range(0, len(samples), job.together):
        opened = []
        for sample in samples[begin : begin + job.together]:
            try:
                opened.append(opener.open(sample))
            except (ImageError, SampleError) as error:
                yield Unanswered(sample.id, sample.question, str(error))
        if opened:
            yield from job.work(opened)


def _wait(samples: Sequence[Sample], job: Job) -> dict[Key, Record | Unanswered]:
    """The results of all processes, once each sample has one; the launcher ends the waiting if one of them
    dies."""
    while True:
        known = _read_all(job)
        missing = sum(_key(sample) not in known for sample in samples)
        if not missing:
            return known
        job.progress(f"{job.path.name}, all processes", len(samples) - missing, len(samples))
        time.sleep(POLL)


def _read_all(job: Job) -> dict[Key, Record | Unanswered]:
    """What is in the job's file and in those of all processes; where a sample has several records, the last.

    That a sample got no record is believed only of the processes of this run.
    """
    known: dict[Key, Record | Unanswered] = {}
    of_processes = sorted(job.path.parent.glob(f"{job.path.stem}.rank*{job.path.suffix}"))
    for file in (job.path, *of_processes):
        current = job.shard.of > 1 and file.stem.endswith(f"of{job.shard.of}")
        for result in read_lines(file, job.run):
            key = result.id, result.question
            if isinstance(result, Record) or (current and key not in known):
                known[key] = result
    return known


def _key(sample: Sample) -> Key:
    return sample.id, sample.question


def _fits(result: Record | Unanswered | None, sample: Sample) -> bool:
    """Whether the sample has a record whose truth is the sample's of today."""
    if not isinstance(result, Record):
        return False
    if sample.box is None:
        return True
    return result.truth is not None and tuple(result.truth.box) == tuple(sample.box)

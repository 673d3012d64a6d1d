"""The work that `kills.py` disturbs: what it does, what of it may not be lost, and what it must give."""

import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from medreasoner.data.publish.reviews import Ledger
from medreasoner.evaluation.record_file import read_records
from medreasoner.evaluation.run import RECORDS, evaluate
from medreasoner.hub.pull import fetch_folder
from medreasoner.hub.push import push_folder
from medreasoner.review.session import ReviewSession
from tests import review_set
from tests.data.build.source_drawn import build, source
from tests.evaluation.fakes import BoxFiller, ColourFinder, write
from tests.hub_server import USER, Hub

NAME = f"{USER}/model"


class Job(AbstractContextManager, ABC):
    """One kind of work, in a folder of its own."""

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder, folder / "out"

    def __exit__(self, *_: object) -> None: ...

    def begin(self) -> None:
        """Make everything ready for the work to be done anew."""
        shutil.rmtree(self.out, ignore_errors=True)

    @abstractmethod
    def work(self) -> None:
        """Do it, or go on where an earlier process was killed; in a process of its own."""

    @abstractmethod
    def lost_by_a_kill(self) -> Iterator[str]:
        """What was finished and is gone."""

    @abstractmethod
    def wrong_at_the_end(self) -> Iterator[str]:
        """What differs from the result of work that nobody disturbed."""


class Evaluate(Job):
    """60 samples, answered and scored."""

    name = "evaluate"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        place = folder / "set"
        place.mkdir()
        self._samples = [sample for number in range(30) for sample in write(place, number)]
        self._records, self._expected = 0, None

    def begin(self) -> None:
        super().begin()
        self._records = 0

    def work(self) -> None:
        evaluate(self._samples, ColourFinder(), BoxFiller(), self.out)

    def lost_by_a_kill(self) -> Iterator[str]:
        records = len(read_records(self.out / RECORDS))
        if records < self._records:
            yield f"{self._records} records became {records}"
        self._records = records

    def wrong_at_the_end(self) -> Iterator[str]:
        found = {record.id: (record.box, record.box_iou) for record in read_records(self.out / RECORDS)}
        self._expected = self._expected or found
        if found != self._expected or len(found) != len(self._samples):
            yield f"{len(found)} records, of which some are others"


class Build(Job):
    """A set of eight images, built in its three stages."""

    name = "build"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        places = [(40 + 5 * number, 40 + 3 * number) for number in range(8)]
        rows = [
            (f"i{n}", "own", "colorectal polyp", ("train", "validation")[n % 2], at, 15 + n % 7)
            for n, at in enumerate(places)
        ]
        source(folder / "source", rows)
        self._lines: dict[str, int] = {}
        self._expected: dict[str, bytes] = {}

    def begin(self) -> None:
        super().begin()
        self._lines = {}

    def work(self) -> None:
        build(self.folder / "source", self.out)

    def lost_by_a_kill(self) -> Iterator[str]:
        for path in (self.out / "stages").glob("*.jsonl"):
            whole = path.read_bytes().count(b"\n")
            if whole < self._lines.get(path.name, 0):
                yield f"{path.name} had {self._lines[path.name]} lines and has {whole}"
            self._lines[path.name] = whole

    def wrong_at_the_end(self) -> Iterator[str]:
        found = {
            path.relative_to(self.out).as_posix(): path.read_bytes()
            for path in [self.out / "samples.jsonl", *self.out.glob("images/*"), *self.out.glob("masks/*")]
        }
        self._expected = self._expected or found
        if found != self._expected:
            yield f"other files: {sorted(found.keys() ^ self._expected.keys())[:3]}"


class Review(Job):
    """80 decisions, each of which is confirmed to the reviewer."""

    name = "review"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._confirmed = folder / "confirmed"

    def begin(self) -> None:
        super().begin()
        review_set.draw(self.out, 80)
        self._confirmed.write_bytes(b"")

    def work(self) -> None:
        session = ReviewSession(self.out, review_set.samples(self.out), "anna")
        told = os.open(self._confirmed, os.O_WRONLY | os.O_APPEND)
        for sample in session.samples:
            if session.ledger.verdict(sample) is None:
                session.decide(sample.id, "accept", undecided=True)
                os.write(told, f"{sample.id}\n".encode())

    def lost_by_a_kill(self) -> Iterator[str]:
        ledger = Ledger(self.out, "anna")
        held = {sample.id for sample in review_set.samples(self.out) if ledger.verdict(sample)}
        if gone := set(self._confirmed.read_text().split()) - held:
            yield f"{len(gone)} confirmed decisions are gone"

    def wrong_at_the_end(self) -> Iterator[str]:
        ledger = Ledger(self.out, "anna")
        if missing := [one.id for one in review_set.samples(self.out) if ledger.verdict(one) is None]:
            yield f"{len(missing)} samples without a decision"
        yield from self.lost_by_a_kill()


class OnTheHub(Job):
    """A folder of five files, 4 MB in all, and the tests' Hub."""

    def __enter__(self) -> "OnTheHub":
        self._patched = pytest.MonkeyPatch()
        self.hub = Hub(part_size=1 << 19).__enter__()
        self.hub.connect(self._patched, self.folder / "home")
        return self

    def __exit__(self, *_: object) -> None:
        self.hub.__exit__()
        self._patched.undo()

    def draw(self) -> dict[str, bytes]:
        """Fill the folder anew; its contents by name."""
        self.out.mkdir()
        files = {f"model-{n}.safetensors": os.urandom(1 << 20) for n in range(4)}
        files["config.json"] = os.urandom(8).hex().encode()
        for name, data in files.items():
            (self.out / name).write_bytes(data)
        return files


class Push(OnTheHub):
    """New files over old ones, as one commit."""

    name = "push"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._before: dict[str, bytes] = {}
        self._files: dict[str, bytes] = {}

    def begin(self) -> None:
        super().begin()
        self._before, self._files = self._there(), self.draw()

    def work(self) -> None:
        push_folder(self.out, NAME)

    def _there(self) -> dict[str, bytes]:
        return self.hub.files(NAME) if ("model", NAME) in self.hub.repositories else {}

    def lost_by_a_kill(self) -> Iterator[str]:
        if self._there() not in (self._before, self._files):
            yield "the repository holds neither the old files nor the new ones"

    def wrong_at_the_end(self) -> Iterator[str]:
        if self._there() != self._files:
            yield "the repository does not hold the new files"


class Pull(OnTheHub):
    """The same files into an empty cache."""

    name = "pull"

    def __enter__(self) -> "Pull":
        super().__enter__()
        self._files = self.draw()
        push_folder(self.out, NAME)
        return self

    def begin(self) -> None:
        shutil.rmtree(self.folder / "home", ignore_errors=True)

    def work(self) -> None:
        pulled = fetch_folder(NAME)
        (self.folder / "pulled").write_text(str(pulled))

    def lost_by_a_kill(self) -> Iterator[str]:
        for path in (self.folder / "home").rglob("snapshots/*/*"):
            if path.read_bytes() != self._files.get(path.name, path.read_bytes()):
                yield f"{path.name} stands in the cache and is not whole"

    def wrong_at_the_end(self) -> Iterator[str]:
        pulled = Path((self.folder / "pulled").read_text())
        if any((pulled / name).read_bytes() != data for name, data in self._files.items()):
            yield "other files came"


JOBS: tuple[type[Job], ...] = (Evaluate, Build, Review, Push, Pull)

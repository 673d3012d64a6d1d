"""Reviewers' decisions about the samples of a folder, kept so that none is ever lost.

FOLDER/reviews/NAME.jsonl holds one line a decision and is only ever added to. A line has `id`, `decision`
(accept, edit, reject or undo), `of` (which text was judged, see `fingerprint`) and `time`; with edit also
`question` and `think` as they should be, with reject `reason`. The latest line of a sample holds; undo takes
back the one before it. A decision about a text that has changed since does not count.

The page on which they are made is `medreasoner/review`.
"""

import hashlib
import json
import os
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.data.sample import Sample

ACCEPT, EDIT, REJECT, UNDO = "accept", "edit", "reject", "undo"
VERDICTS = (ACCEPT, EDIT, REJECT)
REASONS = (
    "wrong target or mask",
    "question gives it away",
    "question unclear",
    "reasoning wrong",
    "image unusable",
)
NAME = re.compile(r"\w[\w.-]{0,63}")  # of a reviewer, who names a file


@dataclass(frozen=True)
class Decision:
    """One line of a reviewer's file.

    `question` and `think` only with edit, `reason` only with reject. `time` is ISO 8601 in UTC.
    """

    id: str
    decision: str
    of: str
    time: str
    question: str = ""
    think: str = ""
    reason: str = ""


def fingerprint(sample: Sample) -> str:
    """16 hexadecimal digits that change when the sample's question, reasoning, box or points do."""
    judged = [sample.id, sample.question, sample.think, sample.box, sample.points]
    return hashlib.sha256(json.dumps(judged).encode()).hexdigest()[:16]


class Ledger:
    """The decisions of one reviewer about one folder.

    `record` returns once the line is on the disk. A line that a crash cut short was never confirmed: it is
    not read, and makes room for the next.

    Errors: DataError for a name that cannot name a file, or a file that holds anything else.
    """

    def __init__(self, folder: Path, reviewer: str) -> None:
        if not NAME.fullmatch(reviewer):
            raise DataError(
                "a reviewer's name must be letters, digits, '_', '.' or '-', at most 64 of them; "
                f"got {reviewer!r}"
            )
        self.reviewer = reviewer
        self.path = folder / "reviews" / f"{reviewer}.jsonl"
        self._history: dict[str, list[Decision]] = defaultdict(list)
        self._order: list[str] = []  # ids of the decisions that hold or held, for undo
        if self.path.exists():
            for decision in read_decisions(self.path):
                self._take(decision)

    def record(
        self,
        sample: Sample,
        decision: str,
        *,
        question: str = "",
        think: str = "",
        reason: str = "",
        time: datetime | None = None,
    ) -> Decision:
        """Write one decision to the disk.

        Errors: ValueError for a decision that is none, and for an edit that changes nothing or empties the
            question; OSError if it cannot be written.
        """
        if decision not in (*VERDICTS, UNDO):
            raise ValueError(f"a decision is one of {(*VERDICTS, UNDO)}, got {decision!r}")
        if decision == EDIT and not question.strip():
            raise ValueError("the question is empty; write one, or reject the sample")
        if decision == EDIT and (question, think) == (sample.question, sample.think):
            raise ValueError("nothing was changed; accept the sample, or change it")
        made = Decision(
            sample.id,
            decision,
            fingerprint(sample),
            (time or datetime.now(UTC)).isoformat(timespec="milliseconds"),
            question.strip() if decision == EDIT else "",
            think.strip() if decision == EDIT else "",
            reason if decision == REJECT else "",
        )
        _append(self.path, {key: value for key, value in asdict(made).items() if value})
        self._take(made)
        return made

    def undo(self, samples: dict[str, Sample]) -> Sample | None:
        """Take back the latest decision that holds and is about one of `samples` (by id).

        Returns: its sample, None if there is none.
        """
        known = next((id for id in reversed(self._order) if id in samples), None)
        if known is None:
            return None
        self.record(samples[known], UNDO)
        return samples[known]

    def verdict(self, sample: Sample) -> Decision | None:
        """What was decided about `sample` as it is now, or None."""
        decisions = self._history.get(sample.id)
        return decisions[-1] if decisions and decisions[-1].of == fingerprint(sample) else None

    def _take(self, decision: Decision) -> None:
        decisions = self._history[decision.id]
        if decision.decision != UNDO:
            decisions.append(decision)
            self._order.append(decision.id)
        elif decisions:
            decisions.pop()
            del self._order[-1 - self._order[::-1].index(decision.id)]


def ledgers(folder: Path) -> list[Ledger]:
    """Everybody's decisions about the samples of `folder`, by name."""
    return [Ledger(folder, path.stem) for path in sorted((folder / "reviews").glob("*.jsonl"))]


def read_decisions(path: Path) -> list[Decision]:
    """The whole lines of a reviewer's file, in order. Errors: DataError naming the line."""
    found = []
    for number, line in enumerate(path.read_bytes()[: _whole_bytes(path)].splitlines(), 1):
        try:
            decision = Decision(**json.loads(line))
        except (ValueError, TypeError) as error:
            raise DataError(
                f"{path}, line {number}: expected a decision of the review page ({error}); mend or remove it"
            ) from error
        if decision.decision not in (*VERDICTS, UNDO):
            raise DataError(
                f"{path}, line {number}: the decision must be one of {(*VERDICTS, UNDO)}, "
                f"got {decision.decision!r}"
            )
        found.append(decision)
    return found


def _whole_bytes(path: Path) -> int:
    """How many bytes of a file are whole lines."""
    return path.read_bytes().rfind(b"\n") + 1


def _append(path: Path, line: dict) -> None:
    """Add a line, and return when it is on the disk; the first time its file's name too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with path.open("ab") as file:
        file.truncate(0 if new else _whole_bytes(path))
        file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

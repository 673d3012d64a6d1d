"""`records.jsonl`: a JSON line per record, appended as it is made, so that a run that was killed loses
nothing."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.evaluation.record import Record, RunInfo
from medreasoner.messages import cut

UNANSWERED = "unasked"  # the key that tells such a line from a record


@dataclass(frozen=True)
class Unanswered:
    """A sample without a record: its files cannot be used, or no answer came (`request`), so that the next
    run asks again."""

    id: str
    question: str
    reason: str
    request: bool = False

    def __str__(self) -> str:
        return f"{cut(self.id)}: {self.reason}"

    def to_json(self, run: RunInfo) -> dict[str, object]:
        return {"id": self.id, "question": self.question, UNANSWERED: asdict(self), "run": run.to_json()}


def read_records(path: Path, run: RunInfo | None = None) -> list[Record]:
    """The records in the whole lines of `path`, [] if it is not there.

    Args:
        run: what must have made them, None for anything.
    Errors: DataError for records of another run, and for a line that is not JSON.
    """
    return [line for line in read_lines(path, run) if isinstance(line, Record)]


def read_lines(path: Path, run: RunInfo | None = None) -> list[Record | Unanswered]:
    """As `read_records`, with the samples that got no record."""
    data = path.read_bytes() if path.exists() else b""
    lines = []
    for number, text in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), 1):
        try:
            values = json.loads(text)
        except ValueError as error:
            raise DataError(
                f"{path}, line {number} is not JSON ({error}); delete that line or the file"
            ) from error
        if run is not None and values["run"] != run.to_json():
            other = f"{path} was made by {values['run']}, now it is {run.to_json()}"
            raise DataError(f"{other}; choose another folder, or delete the file to begin anew")
        lines.append(Unanswered(**values[UNANSWERED]) if UNANSWERED in values else Record.from_json(values))
    return lines


def line(values: dict[str, object]) -> str:
    """One line of a file."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False) + "\n"


def cut_off_half_line(path: Path) -> None:
    """Remove a last line that a kill cut short."""
    data = path.read_bytes() if path.exists() else b""
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def write_whole(path: Path, text: str) -> None:
    """Put `text` into `path` at once: nobody ever reads half of it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)

"""Finished runs, read from their folders for the report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.record_file import read_records
from medreasoner.evaluation.summary import DIFFERENCES, Row, Summary
from medreasoner.json_files import read_json
from medreasoner.metrics import Interval

DIGEST_SHOWN = 8  # digits of the data's digest in names


@dataclass(frozen=True)
class Run:
    """A finished evaluation: its summary, its records, and a short name that no other run of the report
    has."""

    name: str
    summary: Summary
    records: list[Record]

    @staticmethod
    def read_all(folders: Sequence[Path]) -> "list[Run]":
        """Errors: DataError."""
        summaries = [_summary(folder) for folder in folders]
        return [
            Run(name, summary, read_records(folder / "records.jsonl"))
            for name, summary, folder in zip(_names(summaries, folders), summaries, folders, strict=True)
        ]

    @property
    def title(self) -> str:
        return f"{self.summary.run.model} on {self.set}"

    @property
    def set(self) -> str:
        """The data in words: name and version, else where it lay."""
        return _set(self.summary)

    @property
    def converted(self) -> bool:
        """Whether the model's numbers were read in its own frame."""
        return self.summary.run.frame == self.summary.run.writes

    def intervals(self) -> Iterator[tuple[str, str, str, Interval]]:
        """Every mean of the summary as (group, name, key, interval)."""
        summary = self.summary
        named: list[tuple[str, str, Row]] = [
            ("overall", "", summary.overall),
            ("answers", "", summary.answers),
            ("presence", "", summary.presence or {}),
            ("as published", "", summary.as_published),
        ]
        named += [(key, name, row) for key, rows in summary.groups.items() for name, row in rows.items()]
        for name, control in summary.controls.items():
            named.append(("control", name, control.row | {d: getattr(control, d) for d in DIFFERENCES}))
        for group, name, row in named:
            for key, interval in row.items():
                if interval is not None:
                    yield group, name, key, interval


def mixed(runs: Sequence[Run]) -> bool:
    """Whether the runs were scored on different data, so that their rows must not be compared."""
    return len({run.summary.data_sha256 for run in runs}) > 1


def _summary(folder: Path) -> Summary:
    try:
        summary = Summary.from_json(read_json(folder / "summary.json"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} holds no finished run ({error}); expected the --out folder of `evaluate`"
        ) from error
    if summary.data_sha256 is None:
        again = "run `evaluate` again, into another folder"
        raise DataError(f"{folder}/summary.json was written by an older version; {again}")
    return summary


def _set(summary: Summary) -> str:
    return summary.set or summary.data or "an unnamed set"


def _names(summaries: Sequence[Summary], folders: Sequence[Path]) -> list[str]:
    """The model's name, with what tells runs of one model apart, and on what data where not all were scored
    on the same."""
    models = [summary.run.model for summary in summaries]
    names = [Path(model).name if Path(model).is_absolute() else model for model in models]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.name})" for name, folder in zip(names, folders, strict=True)]
    if len({summary.data_sha256 for summary in summaries}) == 1:
        return names
    return [
        f"{name} on {_set(summary)}, {summary.data_sha256[:DIGEST_SHOWN]}"
        for name, summary in zip(names, summaries, strict=True)
    ]

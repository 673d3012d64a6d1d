"""What a run left in its folder, read for the report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.evaluation.records import read_records
from medreasoner.evaluation.scoring import Record
from medreasoner.json_files import read_json


@dataclass(frozen=True)
class Run:
    """A finished evaluation: its summary, its records, and a short name that no other run of the report has."""

    name: str
    summary: dict
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
        return f"{self.summary['model']} on {self.set}"

    @property
    def set(self) -> str:
        """The data in words: name and version, else where it lay."""
        return _set(self.summary)

    @property
    def converted(self) -> bool:
        """Whether the model's numbers were read in its own frame."""
        return self.summary["frame"] == self.summary["writes"]

    def intervals(self) -> Iterator[tuple[str, str, str, dict]]:
        """Every mean of the summary as (group, name, measure, interval)."""
        named = [("overall", "", self.summary["overall"]), ("as published", "", self.summary["as_published"])]
        named += [(key, name, row) for key in self.groups for name, row in self.summary[f"per_{key}"].items()]
        named += [("control", name, row) for name, row in self.summary.get("controls", {}).items()]
        for group, name, row in named:
            for measure, interval in row.items():
                if isinstance(interval, dict) and "mean" in interval:
                    yield group, name, measure, interval

    @property
    def groups(self) -> tuple[str, ...]:
        return tuple(key.removeprefix("per_") for key in self.summary if key.startswith("per_"))


def _summary(folder: Path) -> dict:
    try:
        summary = read_json(folder / "summary.json")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} holds no finished run ({error}); expected the --out folder of `evaluate`"
        ) from error
    if "data_sha256" not in summary:
        raise DataError(
            f"{folder}/summary.json was written by an older version; run `evaluate` again, into another folder"
        )
    return summary


def _set(summary: dict) -> str:
    return summary["set"] or summary["data"] or "an unnamed set"


def mixed(runs: Sequence[Run]) -> bool:
    """Whether the runs were scored on different data, so that their rows must not be compared."""
    return len({run.summary["data_sha256"] for run in runs}) > 1


def _names(summaries: Sequence[dict], folders: Sequence[Path]) -> list[str]:
    """The model's name, with what tells runs of one model apart, and on what data where not all were scored on the same."""
    names = [
        Path(summary["model"]).name if Path(summary["model"]).is_absolute() else summary["model"]
        for summary in summaries
    ]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.name})" for name, folder in zip(names, folders, strict=True)]
    if len({summary["data_sha256"] for summary in summaries}) == 1:
        return names
    return [
        f"{name} on {_set(summary)}, {summary['data_sha256'][:8]}"
        for name, summary in zip(names, summaries, strict=True)
    ]

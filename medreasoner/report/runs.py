"""What a run left in its folder, read for the report."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from medreasoner.data.load import DataError
from medreasoner.loading import read_json
from medreasoner.records import read_records
from medreasoner.scores import Record


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
        return f"{self.summary['model']} on {self.summary['data'] or 'an unnamed set'}"

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
        raise DataError(f"{folder} holds no finished run ({error}); expected the --out folder of `evaluate`") from error
    if "as_published" not in summary:
        raise DataError(f"{folder}/summary.json was written by an older version; run `evaluate` again, its records are kept")
    return summary


def _names(summaries: Sequence[dict], folders: Sequence[Path]) -> list[str]:
    """The model's name, with what tells runs of one model apart."""
    models = [Path(summary["model"]).name if Path(summary["model"]).is_absolute() else summary["model"] for summary in summaries]
    if len(set(models)) == len(models):
        return models
    return [f"{model} ({folder.name})" for model, folder in zip(models, folders, strict=True)]

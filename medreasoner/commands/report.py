"""`report`: finished evaluations as one page, Markdown and CSV."""

from dataclasses import dataclass, field
from pathlib import Path

from medreasoner.commands.base import FINE, make_folder, option


@dataclass(frozen=True, kw_only=True)
class Report:
    """Lay out finished evaluations, the first one in detail: an HTML page that holds everything itself, and
    the same as .md and .csv."""

    runs: list[Path] = field(metadata={"help": "the --out folders of `evaluate`", "kind": Path, "nargs": "+"})
    out: Path = option("the page to write", kind=Path, shown="PAGE.html")
    data: Path | None = option("the set that was evaluated, for pictures", None, Path, "FOLDER_OR_PARQUET")
    split: str | None = option("split of --data", None, shown="S")

    def run(self) -> int:
        from medreasoner.data.load import load
        from medreasoner.evaluation.report import write

        samples = None if self.data is None else {sample.id: sample for sample in load(self.data, self.split)}
        make_folder(self.out.parent)
        written = write(self.runs, self.out, samples)
        print(f"Wrote {written.html}, {written.markdown} and {written.csv}")
        return FINE

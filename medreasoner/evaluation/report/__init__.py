"""Finished evaluations as one HTML page that holds everything itself, as Markdown and as CSV.

Every number comes from records.jsonl and summary.json; nothing is measured here.

    python -m medreasoner report runs/evaluation runs/other --data runs/data --out report.html
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from medreasoner.data.sample import Sample
from medreasoner.evaluation.record_file import write_whole
from medreasoner.evaluation.report import sections
from medreasoner.evaluation.report.markdown import as_words
from medreasoner.evaluation.report.runs import Run
from medreasoner.events import NOTICE
from medreasoner.messages import cut


@dataclass(frozen=True)
class Written:
    """The three files of a report."""

    html: Path
    markdown: Path
    csv: Path


def write(folders: Sequence[Path], out: Path, samples: Mapping[str, Sample] | None = None) -> Written:
    """Write `out` and, beside it, the same as .md and .csv.

    Args:
        folders: of runs, in the order of the tables; pictures and groups are those of the first.
        samples: the evaluated samples by id, for pictures; None leaves the pictures out.

    Errors: DataError for a folder that holds no finished run.
    """
    runs = Run.read_all(folders)
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"svg": Markup, "words": as_words, "cut": cut}
    values = {
        "title": runs[0].title,
        "lead": sections.lead(runs[0]),
        "runs": runs,
        "parts": sections.all_parts(runs, samples),
        "notice": NOTICE,
    }
    written = Written(out, out.with_suffix(".md"), out.with_suffix(".csv"))
    pages.autoescape = True
    write_whole(written.html, pages.get_template("page.html.jinja").render(values))
    pages.autoescape = False
    write_whole(written.markdown, pages.get_template("page.md.jinja").render(values))
    write_whole(written.csv, as_csv(runs))
    return written


def as_csv(runs: Sequence[Run]) -> str:
    """Every mean of every run as a line of its own: run, group, name, measure, mean, low, high, n,
    clusters."""
    file = io.StringIO()
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["run", "group", "name", "measure", "mean", "low", "high", "n", "clusters"])
    for run in runs:
        for group, name, key, found in run.intervals():
            numbers = [found.mean, found.low, found.high, found.n, found.clusters]
            table.writerow([run.name, group, name, key, *numbers])
    return file.getvalue()

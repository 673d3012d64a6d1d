"""The published table beside the runs of a report, by the published formulas alone, and what it costs to read
coordinates as the published evaluation did."""

from collections.abc import Sequence
from pathlib import Path

from medreasoner.evaluation.columns import PUBLISHED, REPORT, columns
from medreasoner.evaluation.report.parts import NOWHERE, Part, Table, percent
from medreasoner.evaluation.report.runs import Run
from medreasoner.json_files import read_json

TABLE = Path(__file__).parent / "published.json"  # the published leaderboard, with its source and caveats


def conversion(runs: Sequence[Run]) -> Part | None:
    """Runs whose numbers were read as pixels of 840 x 840 beside the same answers in the model's own
    frame."""
    rows = []
    for raw in (run for run in runs if not run.converted):
        fair = next((run for run in runs if run.converted and _same_answers(run, raw)), None)
        if fair is not None:
            ious = [percent(run.summary.as_published.get("iou")) for run in (fair, raw)]
            rows.append([fair.summary.run.model, fair.summary.run.writes, *ious])
    words = [
        "The same answers, read in the frame the model writes in, and read as pixels of 840 x 840 as the "
        "published evaluation read every model's. Box IoU by the published formula, times 100."
    ]
    table = Table(["Model", "It writes", "Converted", "As published"], rows)
    return Part("What the missing conversion costs", words, table) if rows else None


def _same_answers(one: Run, other: Run) -> bool:
    a, b = one.summary.run, other.summary.run
    return (a.model, a.prompt, a.think) == (b.model, b.prompt, b.think)


def published(runs: Sequence[Run]) -> Part:
    """The runs above the rows of the published leaderboard."""
    table = read_json(TABLE)
    measures = columns(PUBLISHED, REPORT)
    supercategories = table["columns"][2 + len(measures) :]  # after model and size
    header = ["Model", "Set", *(column.label for column in measures)]
    header += [f"IoU, {name}" for name in supercategories]
    rows = []
    for run in runs:
        label = run.name if run.converted else f"{run.name}, upstream-raw"
        means = [percent(run.summary.as_published.get(column.key)) for column in measures]
        kinds = [percent(run.summary.published_by_supercategory.get(name)) for name in supercategories]
        rows.append([label, run.set, *means, *kinds])
    for name, size, *values in table["rows"]:
        numbers = [NOWHERE if value is None else f"{value:.2f}" for value in values]
        rows.append([f"{name} {size or ''}".strip(), table["set"], *numbers])
    words = [f"Source of the rows that are not marked: {table['source']}.", *table["notes"]]
    return Part("Beside the published table", words, Table(header, rows, frozenset(range(len(runs)))))

"""An evaluation's numbers as a card shows them; which ones is said by the table of columns
(`evaluation/columns.py`)."""

from dataclasses import dataclass

from medreasoner.evaluation.columns import ANSWERS, CARD, CONTROLS, OVERALL, PRESENCE, columns
from medreasoner.evaluation.summary import Row, Summary
from medreasoner.messages import cut
from medreasoner.metrics import Interval


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column is a name."""

    head: list[str]
    rows: list[list[str]]


def cell(interval: Interval | None, digits: int = 3, sign: str = "") -> str:
    """ "0.474 [0.430, 0.510]", or a dash. sign: "+" writes it also before positive numbers."""
    if interval is None:
        return "–"
    mean, low, high = (f"{value:{sign}.{digits}f}" for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]"


def results(summary: Summary, name: str) -> Table:
    """The model, under `name`, above the controls that were scored."""
    rows = [[name, *_cells(summary.overall)]]
    rows += [
        [label, *_cells(summary.controls[key].row)]
        for key, label in CONTROLS.items()
        if key in summary.controls and summary.controls[key].row
    ]
    return Table(["", *_labels()], rows)


def modalities(summary: Summary) -> Table:
    """A line for each modality, the largest first."""
    groups = summary.groups.get("modality", {})
    counted = [(row["box_iou"].n, name, row) for name, row in groups.items() if row.get("box_iou")]
    counted.sort(key=lambda each: -each[0])
    rows = [[cut(name), str(n), *_cells(row)] for n, name, row in counted]
    return Table(["Modality", "n", *_labels()], rows)


def answers(summary: Summary) -> list[tuple[str, str]]:
    """(label, number) of the answers' form and content, and of absent targets; what was measured alone."""
    found = [
        (column.label, row.get(column.key))
        for part, row in ((ANSWERS, summary.answers), (PRESENCE, summary.presence or {}))
        for column in columns(part, CARD)
    ]
    return [(label, cell(interval)) for label, interval in found if interval is not None]


def _labels() -> list[str]:
    return [column.label for column in columns(OVERALL, CARD)]


def _cells(row: Row) -> list[str]:
    return [cell(row.get(column.key)) for column in columns(OVERALL, CARD)]

"""The results of a report: means of all runs beside their controls, and differences. Corrected measures only;
the published ones are in `published.py`, never in one table with these."""

from collections.abc import Iterator, Sequence

from medreasoner.evaluation.columns import (
    ANSWERS,
    BY_KEY,
    CONTROLS,
    OVERALL,
    PRESENCE,
    REPORT,
    Column,
    columns,
)
from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.figures import Bar
from medreasoner.evaluation.report.parts import NOWHERE, Part, Table, cell, lower
from medreasoner.evaluation.report.runs import Run, mixed
from medreasoner.evaluation.scoring import TOLERANCE
from medreasoner.evaluation.summary import DIFFERENCES, Control
from medreasoner.metrics import Interval, paired


def results(runs: Sequence[Run]) -> Part:
    """All columns, a row per run and per control."""
    shown = [
        column
        for column in columns(OVERALL, REPORT)
        if any(run.summary.overall.get(column.key) for run in runs)
    ]
    rows = [[run.name, *(cell(run.summary.overall.get(column.key)) for column in shown)] for run in runs]
    for name, control in _controls(runs):
        rows.append([name, *(cell(control.row.get(column.key)) for column in shown)])
    smaller = [column.label for column in shown if column.lower_is_better]
    better = f"; {', '.join(smaller)} is better when small" if smaller else ""
    words = [
        "Means over all samples with 95 % intervals from a bootstrap that draws whole cases. An answer "
        f"that failed counts 0, and for HD95 the whole diagonal. All values lie between 0 and 1{better}.",
        "gIoU is the mean of the masks' IoU, cIoU the sum of their intersections over the sum of their "
        "unions. HD95 is in shares of the image's diagonal, NSD the share of the boundaries that lie "
        f"within {100 * TOLERANCE:g} % of it.",
    ]
    header = ["", *(column.label for column in shown)]
    return Part("Results", words, Table(header, rows, frozenset(range(len(runs)))))


def forest_plot(runs: Sequence[Run]) -> Part | None:
    """Box IoU of runs and controls on one axis."""
    bars = [Bar.of(run.name, run.summary.overall.get("box_iou"), "run") for run in runs]
    bars += [Bar.of(name, control.row.get("box_iou"), "control") for name, control in _controls(runs)]
    drawn = [bar for bar in bars if bar is not None]
    return (
        Part("Box IoU beside its controls", svg=figures.forest(drawn, "Box IoU")) if len(drawn) > 1 else None
    )


def answers(runs: Sequence[Run]) -> Part | None:
    """Form and content of the answers, and whether absent targets are told from present ones."""
    shown = [
        column
        for part in (PRESENCE, ANSWERS)
        for column in columns(part, REPORT)
        if any(_part_of(run, column) for run in runs)
    ]
    if not shown:
        return None
    rows = [[run.name, *(cell(_part_of(run, column)) for column in shown)] for run in runs]
    words = [
        "Sensitivity: the share of targets in the image that got a box. Specificity: the share of questions "
        "about a target that is not in the image which were answered by saying so. An answer that cannot be "
        "read counts as neither. Answerable, called absent: the share of targets in the image of which the "
        "answer says that they are not there."
    ]
    return Part("Answers", words, Table(["", *(column.label for column in shown)], rows))


def _part_of(run: Run, column: Column) -> Interval | None:
    row = run.summary.answers if column.part == ANSWERS else run.summary.presence or {}
    return row.get(column.key)


def differences(runs: Sequence[Run]) -> Part | None:
    """Every run against its controls, and the first run against each other one on the samples that both
    answered."""
    rows = []
    for run in runs:
        for name, control in run.summary.controls.items():
            cells = [cell(getattr(control, difference), signed=True) for difference in DIFFERENCES]
            rows.append([f"{run.name} − {lower(CONTROLS.get(name, name))}", *cells])
    for other in () if mixed(runs) else runs[1:]:
        cells = [_between(runs[0], other, BY_KEY[key]) for key in ("box_iou", "mask_dice")]
        rows.append([f"{runs[0].name} − {other.name}", *cells])
    words = [
        "Sample by sample on the same questions, intervals by case; a difference is real where its interval "
        "excludes 0."
    ]
    return Part("Differences", words, Table(["", "Box IoU", "Mask Dice"], rows)) if rows else None


def _between(first: Run, other: Run, column: Column) -> str:
    values = {(record.id, record.question): column.value(record) for record in other.records}
    pairs = [
        (column.value(record), values[record.id, record.question], record.case)
        for record in first.records
        if column.value(record) is not None and values.get((record.id, record.question)) is not None
    ]
    return cell(paired(*zip(*pairs, strict=True)), signed=True) if pairs else NOWHERE


def _controls(runs: Sequence[Run]) -> Iterator[tuple[str, Control]]:
    """(label, control) of all runs; the label says of which run where that is not plain."""
    several = sum(bool(run.summary.controls) for run in runs) > 1
    for run in runs:
        for name, control in run.summary.controls.items():
            yield CONTROLS.get(name, name) + (f" · {run.name}" if several else ""), control

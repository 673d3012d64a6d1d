"""Where a run is good and where it is not: groups of samples, failures, and cases with pictures."""

from collections.abc import Mapping, Sequence

from medreasoner.data.sample import Sample
from medreasoner.evaluation.columns import columns
from medreasoner.evaluation.opened_sample import SIZES
from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.cases import gallery, ordered_by
from medreasoner.evaluation.report.figures import Bar
from medreasoner.evaluation.report.parts import Part, Table, cell, lower
from medreasoner.evaluation.report.runs import Run
from medreasoner.evaluation.summary import Row
from medreasoner.messages import cut

GROUPS = {
    "modality": "Modality",
    "supercategory": "Super-category",
    "size": "Target's share of the image",
    "category": "Category",
}
IN_GROUPS = columns(keys=("box_iou", "mask_dice"))


def groups(run: Run) -> list[Part]:
    """One forest plot a grouping; categories, of which there are many, as a table."""
    parts = []
    for key, title in GROUPS.items():
        rows = run.summary.groups.get(key, {})
        names = [name for _, name in SIZES if name in rows] if key == "size" else rows
        named = {cut(name) or "not stated": rows[name] for name in names if rows[name].get("box_iou")}
        if len(named) > 1:
            parts.append(_table(run, title, named) if key == "category" else _forest(run, title, named))
    return parts


def _table(run: Run, title: str, named: Mapping[str, Row]) -> Part:
    rows = [
        [name, str(row["box_iou"].n), *(cell(row.get(column.key)) for column in IN_GROUPS)]
        for name, row in named.items()
    ]
    header = [title, "Samples", *(column.label for column in IN_GROUPS)]
    return Part(f"By {lower(title)}", [run.name], Table(header, rows))


def _forest(run: Run, title: str, named: Mapping[str, Row]) -> Part:
    bars = [Bar.of(name, row["box_iou"], "group", row["box_iou"].n) for name, row in named.items()]
    words = [f"{run.name}; in brackets the number of samples."]
    return Part(f"By {lower(title)}", words, svg=figures.forest(bars, "Box IoU"))


def failures(runs: Sequence[Run]) -> Part:
    """How many answers failed, and of what."""
    reasons = sorted({reason for run in runs for reason in run.summary.failures})
    rows = []
    for run in runs:
        counts = [run.summary.failures.get(reason, 0) for reason in reasons]
        numbers = [run.summary.n, sum(counts), *counts, len(run.summary.unanswered)]
        rows.append([run.name, *map(str, numbers)])
    words = [
        "Answers that gave no usable box, and for what reason; a refusal says in words that no answer will "
        "be given. Requests that were lost never reached a model or never came back: they are in no mean, "
        "and the next run makes them again."
    ]
    return Part("Failures", words, Table(["", "Answers", "Failed", *reasons, "Requests lost"], rows))


def cases(run: Run, samples: Mapping[str, Sample] | None) -> Part | None:
    """Pictures of answers, chosen by score alone."""
    shown = gallery(run.records, samples)
    words = [
        f"{run.name}, ordered by {ordered_by(run.records).label}; chosen by score alone. Box and points are "
        "the model's, the filled outline its mask; the truth is dashed."
    ]
    return Part("Cases", words, cases=shown) if shown else None

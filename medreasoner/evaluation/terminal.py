"""An evaluation as lines for the terminal."""

from medreasoner.evaluation.columns import ANSWERS, OVERALL, PRESENCE, TERMINAL, columns
from medreasoner.evaluation.summary import Row, Summary

NAME, LABEL, DIGEST = 18, 28, 16  # characters


def lines(summary: Summary) -> list[str]:
    """Model and data, every column of the model and of its controls, and what failed."""
    run = summary.run
    text = [
        f"{run.model} with segmenter {run.segmenter}: {summary.n} samples, means with 95 % intervals",
        f"on {summary.set or summary.data}, digest {summary.data_sha256[:DIGEST]}",
    ]
    if run.frame != run.writes:
        text.append(f"numbers were read as {run.frame!r}; the model writes {run.writes!r}")
    text += _row("model", OVERALL, summary.overall)
    text += _row("model", ANSWERS, summary.answers)
    text += _row("model", PRESENCE, summary.presence or {})
    for name, control in summary.controls.items():
        text += _row(name, OVERALL, control.row)
    if summary.failures:
        text.append(f"failed: {', '.join(f'{why} {number}' for why, number in summary.failures.items())}")
    if summary.unanswered:
        lost = f"{len(summary.unanswered)} questions got no answer and are in no mean"
        text.append(f"{lost}: {summary.unanswered[0]}; run this again")
    return text


def _row(name: str, part: str, row: Row) -> list[str]:
    found = [(column.label, row.get(column.key)) for column in columns(part, TERMINAL)]
    return [
        f"{name:{NAME}}{label:{LABEL}}{value.mean:.3f}  [{value.low:.3f}, {value.high:.3f}]"
        for label, value in found
        if value is not None
    ]

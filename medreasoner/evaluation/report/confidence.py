"""Whether the confidence of a run can be relied on: reliability, risk against coverage, and the segmenter's
estimate of its masks. Nothing is fitted here."""

from collections.abc import Sequence

from medreasoner.evaluation.record import Record
from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.parts import Part, Table, number
from medreasoner.evaluation.report.runs import Run
from medreasoner.metrics import calibration


def mask_confidence(run: Run) -> Part | None:
    """What the segmenter says of its masks against what they are."""
    pairs = [
        (record.mask_score, record.mask_iou)
        for record in run.records
        if record.mask_score is not None and record.mask_iou is not None
    ]
    if not pairs:
        return None
    binned = calibration.equal_width(*zip(*pairs, strict=True))
    words = [
        f"{run.name}: the segmenter's own estimate of its mask's IoU against the IoU that it has. Points "
        "below the line promise too much; the larger a point, the more masks. Expected calibration error "
        f"{calibration.expected_error(binned):.3f} over {len(pairs)} masks. The segmenter judges how well "
        "its mask fits the box it was given, not whether that box is the right one."
    ]
    svg = figures.reliability(binned, "Predicted IoU", "True IoU")
    return Part("Reliability of the mask's estimate", words, svg=svg)


def answer_confidence(run: Run) -> Part | None:
    """How well the calibrated confidence tells right answers from wrong ones, of boxes and of absences."""
    known = _known(run)
    if not known:
        return None
    kinds = {
        "All answers": known,
        "A place": [record for record in known if record.found],
        "Nothing there": [record for record in known if not record.found],
    }
    table = Table(
        ["Answers", "Number", "Right", "Mean confidence", "AUROC", "Calibration error", *_COVERED],
        [_row(name, records) for name, records in kinds.items() if records],
    )
    words = [
        f"{run.name}: the confidence that is shown beside an answer. AUROC is the share of pairs of a right "
        "and a wrong answer in which the right one has the higher confidence; the calibration error is the "
        "mean distance of confidence and share of right answers over parts of like number. Risk against "
        "coverage: the last columns are the share of wrong answers when only the surest part is kept."
    ]
    return Part("Confidence", words, table)


def reliability(run: Run) -> Part | None:
    """The calibrated confidence against how often the answer is right, in parts of like number."""
    known = _known(run)
    if not known:
        return None
    binned = calibration.equal_count(*_pairs(known))
    rows = [[number(each.confidence), number(each.truth), str(each.count)] for each in binned]
    words = [
        f"{run.name}: confidence against the share of answers that are right (a box with an IoU of 0.5 or "
        f"more, or an absent target called absent), {len(known)} answers in parts of like number."
    ]
    svg = figures.reliability(binned, "Confidence", "Right answers")
    table = Table(["Mean confidence", "Right", "Number"], rows)
    return Part("Reliability of the confidence", words, table, svg)


COVERAGES = (1.0, 0.8, 0.5, 0.2)
_COVERED = [f"Wrong, surest {coverage:.0%} kept" for coverage in COVERAGES]


def _row(name: str, records: Sequence[Record]) -> list[str]:
    sure, right = _pairs(records)
    risks = [calibration.risk_at(sure, right, coverage) for coverage in COVERAGES]
    share, mean = sum(right) / len(right), sum(sure) / len(sure)
    area, error = calibration.auroc(sure, right), calibration.calibration_error(sure, right)
    return [name, str(len(records)), *map(number, (share, mean, area, error, *risks))]


def _known(run: Run) -> list[Record]:
    return [record for record in run.records if record.confidence is not None]


def _pairs(records: Sequence[Record]) -> tuple[list[float], list[float]]:
    return [record.confidence for record in records], [float(record.right) for record in records]

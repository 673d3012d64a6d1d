"""Whether the confidences of a run can be relied on: reliability diagrams of the segmenter's estimate and of
the model's own numbers. Nothing is fitted here."""

from medreasoner.evaluation.columns import box_right
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.report import calibration, figures
from medreasoner.evaluation.report.parts import Part
from medreasoner.evaluation.report.runs import Run


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
    """The calibrated confidence against how often the answer is right: a box that overlaps by half, or an
    absence."""
    pairs = [
        (record.confidence, float(_right(record))) for record in run.records if record.confidence is not None
    ]
    if not pairs:
        return None
    binned = calibration.equal_count(*zip(*pairs, strict=True))
    words = [
        f"{run.name}: the confidence that is shown beside an answer against the share of answers that are "
        "right (a box with an IoU of 0.5 or more, or an absent target called absent), in parts of like "
        f"number. Expected calibration error {calibration.expected_error(binned):.3f} over {len(pairs)} "
        "answers."
    ]
    svg = figures.reliability(binned, "Confidence", "Right answers")
    return Part("Reliability of the confidence", words, svg=svg)


def _right(record: Record) -> bool:
    return record.found is False if record.truth is None else bool(box_right(record))


def box_confidence(run: Run) -> Part | None:
    """How probable the model found its own numbers against how often the box is right."""
    pairs = [
        (record.coordinate_probability, float(box_right(record)))
        for record in run.records
        if record.coordinate_probability is not None and record.box_iou is not None
    ]
    if not pairs:
        return None
    confidences, right = zip(*pairs, strict=True)
    area = calibration.auroc(confidences, right)
    apart = ""
    if area is not None:
        pairs_right = f"{100 * area:.0f} % of all pairs of a right box and a wrong one"
        apart = f" In {pairs_right} the right one has more (AUROC)."
    words = [
        f"{run.name}: the probability that the model gave the numbers of its answer (geometric mean of the "
        f"eight) against the share of boxes with an IoU of 0.5 or more, {len(pairs)} answers in parts of "
        "like number, from the least sure to the surest. It says how narrow the model's distribution is and "
        "was not fitted to be right: "
        "it means something only if the points rise from left to right." + apart
    ]
    svg = figures.reliability(
        calibration.equal_count(confidences, right),
        "Probability of the coordinates",
        "Boxes with IoU of 0.5 or more",
        figures.nice(max(confidences)),
    )
    return Part("Reliability of the coordinates", words, svg=svg)

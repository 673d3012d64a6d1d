"""Whether the confidences of a run can be relied on.

Is: reliability diagrams of the segmenter's estimate and of the model's own numbers. Is not: a calibration; nothing is fitted.
"""

from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.parts import Part
from medreasoner.evaluation.report.runs import Run


def mask_confidence(run: Run) -> Part | None:
    """What the segmenter says of its masks against what they are."""
    pairs = [
        (r["mask_score"], r["mask_iou"])
        for r in run.records
        if r.get("mask_score") is not None and r.get("mask_iou") is not None
    ]
    if not pairs:
        return None
    binned = figures.bins(*zip(*pairs, strict=True))
    words = [
        f"{run.name}: the segmenter's own estimate of its mask's IoU against the IoU that it has. Points below the line promise too much; "
        f"the larger a point, the more masks. Expected calibration error {figures.calibration_error(binned):.3f} over {len(pairs)} masks. "
        "The segmenter judges how well its mask fits the box it was given, not whether that box is the right one."
    ]
    return Part(
        "Reliability of the mask's estimate",
        words,
        svg=figures.reliability(binned, "Predicted IoU", "True IoU"),
    )


def box_confidence(run: Run) -> Part | None:
    """How probable the model found its own numbers against how often the box is right."""
    told = [
        r for r in run.records if r.get("coordinate_probability") is not None and r.get("box_iou") is not None
    ]
    if not told:
        return None
    sure, right = [r["coordinate_probability"] for r in told], [float(r["box_iou"] >= 0.5) for r in told]
    binned = figures.tenths(sure, right)
    area = figures.separation(sure, right)
    apart = (
        ""
        if area is None
        else f" In {100 * area:.0f} % of all pairs of a right box and a wrong one the right one has more (AUROC)."
    )
    words = [
        f"{run.name}: the probability that the model gave the numbers of its answer (geometric mean of the eight) against the share of "
        f"boxes with an IoU of 0.5 or more, {len(told)} answers in parts of like number, from the least sure to the surest. It says how "
        "narrow the model's distribution is and was not fitted to be right: it means something only if the points rise from left to right."
        + apart
    ]
    svg = figures.reliability(
        binned, "Probability of the coordinates", "Boxes with IoU of 0.5 or more", figures.nice(max(sure))
    )
    return Part("Reliability of the coordinates", words, svg=svg)

"""What a report says and in which order; each part is made by the file named after what it shows."""

from collections.abc import Mapping, Sequence

from medreasoner.data.sample import Sample
from medreasoner.evaluation.columns import BY_KEY
from medreasoner.evaluation.report.breakdown import cases, failures, groups
from medreasoner.evaluation.report.confidence import answer_confidence, mask_confidence, reliability
from medreasoner.evaluation.report.parts import Part, cell
from medreasoner.evaluation.report.provenance import cost, different_data, made_with
from medreasoner.evaluation.report.published import conversion, published
from medreasoner.evaluation.report.results import answers, differences, forest_plot, results
from medreasoner.evaluation.report.runs import Run


def all_parts(runs: Sequence[Run], samples: Mapping[str, Sample] | None) -> list[Part]:
    """Every part that the runs have something for. Groups, confidences and cases are those of the first
    run."""
    first = runs[0]
    parts = [
        different_data(runs),
        results(runs),
        forest_plot(runs),
        answers(runs),
        differences(runs),
        conversion(runs),
        published(runs),
        *groups(first),
        failures(runs),
        answer_confidence(first),
        reliability(first),
        mask_confidence(first),
        cases(first, samples),
        cost(runs),
        made_with(runs),
    ]
    return [part for part in parts if part is not None]


def lead(run: Run) -> str:
    """The run in one line."""
    overall = run.summary.overall
    means = [
        f"{BY_KEY[key].label} {cell(overall[key])}" for key in ("box_iou", "mask_dice") if overall.get(key)
    ]
    of_cases = f" of {overall['box_iou'].clusters} cases" if overall.get("box_iou") else ""
    return f"{run.summary.n} samples{of_cases}: {', '.join(means) or 'no target in any image'}"

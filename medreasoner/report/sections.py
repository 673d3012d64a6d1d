"""What a report says, part by part: titles, words, tables, figures and cases, the same for the page and for Markdown.

Is: the choice of what stands beside what. Corrected measures and published ones are never in one table.
Is not: a layout (the templates), nor a number of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from medreasoner.data.sample import Sample
from medreasoner.loading import read_json
from medreasoner.metrics import paired
from medreasoner.report import figures
from medreasoner.report.cases import Shown, gallery, measure_of
from medreasoner.report.figures import Bar
from medreasoner.report.runs import Run
from medreasoner.scores import TOLERANCE

PUBLISHED = Path(__file__).parent / "published.json"
MEASURES = {
    "box_iou": "Box IoU",
    "acc_50": "Acc@0.5",
    "point_dice": "Point Dice",
    "points_in_mask": "Points in mask",
    "mask_dice": "Mask Dice",
    "mask_giou": "gIoU",
    "mask_ciou": "cIoU",
    "nsd": "NSD",
    "hd95": "HD95",
}
CONTROLS = {
    "prior": "Training mean of the category",
    "centre_box": "Centre box",
    "whole_image": "Whole image",
    "random_box": "Random box",
    "question_shuffled": "Questions shuffled",
    "image_swapped": "Image of another case",
    "image_blanked": "Grey image",
    "direct": "Without reasoning",
    "reasoning": "With reasoning",
    "oracle": "True box and points",
    "oracle_box": "True box alone",
}
GROUPS = {"modality": "Modality", "supercategory": "Super-category", "size": "Target's share of the image", "category": "Category"}
NOWHERE = "–"


@dataclass(frozen=True)
class Table:
    """Cells as text; the first column is a name. `marks` are the rows that stand out (this report's own among others')."""

    header: list[str]
    rows: list[list[str]]
    marks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Part:
    """One part of the report; what it does not have is empty."""

    title: str
    words: list[str] = field(default_factory=list)
    table: Table | None = None
    svg: str = ""
    cases: list[Shown] = field(default_factory=list)


def all_of(runs: Sequence[Run], samples: Mapping[str, Sample] | None) -> list[Part]:
    """Every part that the runs have something for."""
    first = runs[0]
    parts = [results(runs), intervals(runs), differences(runs), conversion(runs), published(runs), *groups(first)]
    parts += [failures(runs), confidence(first), cases(first, samples), cost(runs), made_with(runs)]
    return [part for part in parts if part is not None]


def results(runs: Sequence[Run]) -> Part:
    shown = [key for key in MEASURES if any(run.summary["overall"].get(key) for run in runs)]
    rows = [[run.name, *(_cell(run.summary["overall"].get(key)) for key in shown)] for run in runs]
    marks = frozenset(range(len(rows)))
    for run in runs:
        beside = f" ({run.name})" if len(runs) > 1 else ""
        for name, row in run.summary.get("controls", {}).items():
            rows.append([CONTROLS[name] + beside, *(_cell(row.get(key)) for key in shown)])
    words = [
        "Means over all samples with 95 % intervals from a bootstrap that draws whole cases. An answer that failed counts 0, "
        "and for HD95 the whole diagonal. All values lie between 0 and 1; HD95 is better when small.",
        "gIoU is the mean of the masks' IoU, cIoU the sum of their intersections over the sum of their unions. HD95 is in shares of the "
        f"image's diagonal, NSD the share of the boundaries that lie within {100 * TOLERANCE:g} % of it.",
    ]
    return Part("Results", words, Table(["", *(MEASURES[key] for key in shown)], rows, marks))


def intervals(runs: Sequence[Run]) -> Part:
    bars = [_bar(run.name, run.summary["overall"]["box_iou"], "run") for run in runs if run.summary["overall"]["box_iou"]]
    for run in runs:
        beside = f" · {run.name}" if len(runs) > 1 else ""
        rows = run.summary.get("controls", {})
        bars += [_bar(CONTROLS[name] + beside, row["box_iou"], "control") for name, row in rows.items() if row.get("box_iou")]
    return Part("Box IoU beside its controls", svg=figures.forest(bars, "Box IoU")) if len(bars) > 1 else None


def differences(runs: Sequence[Run]) -> Part | None:
    """The first run against each other one, on the samples that both answered."""
    rows = []
    for other in runs[1:]:
        theirs = {(record["id"], record["question"]): record for record in other.records}
        for measure in ("box_iou", "mask_dice"):
            both = [(a, b) for a in runs[0].records if (b := theirs.get((a["id"], a["question"])))]
            both = [(a, b) for a, b in both if a.get(measure) is not None and b.get(measure) is not None]
            if both:
                found = paired(*([r[measure] for r in side] for side in zip(*both, strict=True)), [a["case"] for a, _ in both])
                rows.append([f"{runs[0].name} − {other.name}", MEASURES[measure], _cell(asdict(found), signed=True), str(found.n)])
    words = ["Sample by sample on the same questions; a difference is real where its interval excludes 0."]
    return Part("Differences", words, Table(["", "Measure", "Difference", "Samples"], rows)) if rows else None


def conversion(runs: Sequence[Run]) -> Part | None:
    """What it costs to read a model's numbers as the published evaluation did."""
    rows = []
    for raw in (run for run in runs if not run.converted):
        alike = [r for r in runs if r.converted and all(r.summary[key] == raw.summary[key] for key in ("model", "prompt", "think"))]
        for fair in alike[:1]:
            pair = [run.summary["as_published"]["iou"] for run in (fair, raw)]
            rows.append([fair.summary["model"], fair.summary["writes"], *(_percent(interval) for interval in pair)])
    words = [
        "The same answers, read in the frame the model writes in, and read as pixels of 840 x 840 as the published evaluation read "
        "every model's. Box IoU by the published formula, times 100."
    ]
    table = Table(["Model", "It writes", "Converted", "As published"], rows)
    return Part("What the missing conversion costs", words, table) if rows else None


def published(runs: Sequence[Run]) -> Part:
    told = read_json(PUBLISHED)
    header = ["Model", "Set", "IoU", "pDice", "Dice", *(f"IoU, {name}" for name in told["columns"][5:])]
    rows = []
    for run in runs:
        scores = run.summary["as_published"]
        label = run.name if run.converted else f"{run.name}, upstream-raw"
        means = [_percent(scores[key]) for key in ("iou", "pdice", "dice")]
        kinds = [_percent(scores["per_supercategory_iou"].get(name)) for name in told["columns"][5:]]
        rows.append([label, run.summary["data"] or NOWHERE, *means, *kinds])
    marks = frozenset(range(len(rows)))
    for name, size, *values in told["rows"]:
        numbers = [NOWHERE if value is None else f"{value:.2f}" for value in values]
        rows.append([f"{name} {size or ''}".strip(), told["set"], *numbers])
    words = [f"Source of the rows that are not marked: {told['source']}.", *told["notes"]]
    return Part("Beside the published table", words, Table(header, rows, marks))


def groups(run: Run) -> list[Part]:
    """One forest plot a grouping; categories, of which there are many, as a table."""
    parts = []
    for key, title in GROUPS.items():
        named = {name or "not stated": row for name, row in run.summary.get(f"per_{key}", {}).items() if row["box_iou"]}
        if len(named) < 2:
            continue
        if key == "category":
            rows = [[name, str(row["box_iou"]["n"]), *(_cell(row.get(m)) for m in ("box_iou", "mask_dice"))] for name, row in named.items()]
            parts.append(Part(f"By {title.lower()}", [run.name], Table([title, "Samples", "Box IoU", "Mask Dice"], rows)))
            continue
        bars = [_bar(name, row["box_iou"], "group", row["box_iou"]["n"]) for name, row in named.items()]
        words = [f"{run.name}; in brackets the number of samples."]
        parts.append(Part(f"By {title[0].lower()}{title[1:]}", words, svg=figures.forest(bars, "Box IoU")))
    return parts


def failures(runs: Sequence[Run]) -> Part:
    reasons = sorted({reason for run in runs for reason in run.summary["failures"]})
    rows = []
    for run in runs:
        counts = [run.summary["failures"].get(reason, 0) for reason in reasons]
        rows.append([run.name, str(run.summary["n"]), *map(str, counts), str(len(run.summary["unanswered"]))])
    words = [
        "Answers that gave no usable box, by reason; a refusal says in words that no answer will be given. Requests that failed never "
        "reached a model or never came back: they are in no mean, and the next run makes them again."
    ]
    return Part("Failures", words, Table(["", "Answers", *reasons, "Requests failed"], rows))


def confidence(run: Run) -> Part | None:
    pairs = [(r["mask_score"], r["mask_iou"]) for r in run.records if r.get("mask_score") is not None and r.get("mask_iou") is not None]
    if not pairs:
        return None
    binned = figures.bins(*zip(*pairs, strict=True))
    words = [
        f"{run.name}: the segmenter's own estimate of its mask's IoU against the IoU that it has. Points below the line promise too much. "
        f"Expected calibration error {figures.calibration_error(binned):.3f} over {len(pairs)} masks."
    ]
    return Part("Reliability of the confidences", words, svg=figures.reliability(binned, "Predicted IoU", "True IoU"))


def cases(run: Run, samples: Mapping[str, Sample] | None) -> Part | None:
    shown = gallery(run.records, samples)
    words = [
        f"{run.name}, ordered by {MEASURES[measure_of(run.records)]}; chosen by score alone. Box and points are the model's, the "
        "filled outline its mask; the truth is dashed."
    ]
    return Part("Cases", words, cases=shown) if shown else None


def cost(runs: Sequence[Run]) -> Part:
    rows = []
    for run in runs:
        spent, times = run.summary["cost"], run.summary["median_timings_s"]
        tokens = NOWHERE if spent["tokens_out"] is None else f"{spent['tokens_in']:,} in, {spent['tokens_out']:,} out"
        rates = [_number(spent["samples_per_s"]), _number(spent["tokens_per_s"])]
        rows.append([run.name, *rates, _number(times.get("first_token")), _number(times.get("total")), tokens])
    header = ["", "Samples / s", "Tokens / s", "First token, s", "Whole answer, s", "Tokens"]
    words = ["Medians over the samples, on the machine of the run; questions about one image share its encoding. Nothing is known where a "
             "run only scored another run's answers."]  # fmt: skip
    return Part("Cost and speed", words, Table(header, rows))


def made_with(runs: Sequence[Run]) -> Part:
    facts = {"data": "Set", "n": "Samples", "model": "Model", "segmenter": "Segmenter", "prompts": "It sees", "frame": "Frame"}
    facts |= {"think": "Reasoning", "prompt": "Prompt", "weights": "Weights"}
    rows = [[title, *(_plain(run.summary[key]) for run in runs)] for key, title in facts.items()]
    return Part("How it was made", [], Table(["", *(run.name for run in runs)], rows))


def _bar(label: str, interval: dict, kind: str, n: int | None = None) -> Bar:
    return Bar(label, interval["mean"], interval["low"], interval["high"], kind, n)


def _cell(interval: dict | None, signed: bool = False) -> str:
    if not interval:
        return NOWHERE
    sign = "+" if signed else ""
    return f"{interval['mean']:{sign}.3f} [{interval['low']:{sign}.3f}, {interval['high']:{sign}.3f}]"


def _percent(interval: dict | None) -> str:
    return NOWHERE if not interval else "{:.2f} [{:.2f}, {:.2f}]".format(*(100 * interval[key] for key in ("mean", "low", "high")))


def _number(value: float | None) -> str:
    return NOWHERE if value is None else f"{value:.3g}"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return NOWHERE if value in (None, "") else str(value)

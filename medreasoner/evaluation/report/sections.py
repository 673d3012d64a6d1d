"""What a report says, part by part.

Is: the choice of what stands beside what. Corrected measures and published ones are never in one table.
Is not: a layout (the templates), nor a number of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from medreasoner.data.sample import Sample
from medreasoner.evaluation.report import figures
from medreasoner.evaluation.report.cases import gallery, measure_of
from medreasoner.evaluation.report.confidence import box_confidence, mask_confidence
from medreasoner.evaluation.report.figures import Bar
from medreasoner.evaluation.report.parts import (
    CONTROLS,
    MEASURES,
    NOWHERE,
    Part,
    Table,
    cell,
    lower,
    number,
    percent,
    plain,
)
from medreasoner.evaluation.report.prices import Prices
from medreasoner.evaluation.report.runs import Run, mixed
from medreasoner.evaluation.scoring import SIZES, TOLERANCE
from medreasoner.json_files import read_json
from medreasoner.metrics import paired

PUBLISHED = Path(__file__).parent / "published.json"
GROUPS = {
    "modality": "Modality",
    "supercategory": "Super-category",
    "size": "Target's share of the image",
    "category": "Category",
}


def all_of(runs: Sequence[Run], samples: Mapping[str, Sample] | None, prices: Prices) -> list[Part]:
    """Every part that the runs have something for."""
    first = runs[0]
    parts = [
        unlike(runs),
        results(runs),
        intervals(runs),
        differences(runs),
        conversion(runs),
        published(runs),
        *groups(first),
    ]
    parts += [
        failures(runs),
        mask_confidence(first),
        box_confidence(first),
        cases(first, samples),
        cost(runs, prices),
        made_with(runs),
    ]
    return [part for part in parts if part is not None]


def lead(run: Run) -> str:
    """The run in one line."""
    told = run.summary["overall"]
    means = [f"{MEASURES[key]} {cell(told[key])}" for key in ("box_iou", "mask_dice") if told.get(key)]
    cases = f" of {told['box_iou']['clusters']} cases" if told["box_iou"] else ""
    return f"{run.summary['n']} samples{cases}: {', '.join(means) or 'no target in any image'}"


def unlike(runs: Sequence[Run]) -> Part | None:
    """A warning where the runs were scored on different data."""
    if not mixed(runs):
        return None
    words = [
        "These runs were not scored on the same samples. Their rows stand side by side and must not be compared; no differences between "
        "them are computed. The digest is of questions, images and truths: where it is the same, so are they."
    ]
    rows = [[run.name, run.set, str(run.summary["n"]), run.summary["data_sha256"][:16]] for run in runs]
    return Part("Different data", words, Table(["", "Set", "Samples", "Digest"], rows))


def results(runs: Sequence[Run]) -> Part:
    shown = [key for key in MEASURES if any(run.summary["overall"].get(key) for run in runs)]
    rows = [[run.name, *(cell(run.summary["overall"].get(key)) for key in shown)] for run in runs]
    marks = frozenset(range(len(rows)))
    for run in runs:
        for name, row in run.summary.get("controls", {}).items():
            rows.append([CONTROLS[name] + _whose(run, runs), *(cell(row.get(key)) for key in shown)])
    words = [
        "Means over all samples with 95 % intervals from a bootstrap that draws whole cases. An answer that failed counts 0, "
        "and for HD95 the whole diagonal. All values lie between 0 and 1; HD95 is better when small.",
        "gIoU is the mean of the masks' IoU, cIoU the sum of their intersections over the sum of their unions. HD95 is in shares of the "
        f"image's diagonal, NSD the share of the boundaries that lie within {100 * TOLERANCE:g} % of it.",
    ]
    return Part("Results", words, Table(["", *(MEASURES[key] for key in shown)], rows, marks))


def _whose(run: Run, runs: Sequence[Run]) -> str:
    """Of which run a control is, where that is not plain."""
    return f" · {run.name}" if sum("controls" in other.summary for other in runs) > 1 else ""


def intervals(runs: Sequence[Run]) -> Part:
    bars = [
        _bar(run.name, run.summary["overall"]["box_iou"], "run")
        for run in runs
        if run.summary["overall"]["box_iou"]
    ]
    for run in runs:
        rows = run.summary.get("controls", {})
        bars += [
            _bar(CONTROLS[name] + _whose(run, runs), row["box_iou"], "control")
            for name, row in rows.items()
            if row.get("box_iou")
        ]
    return Part("Box IoU beside its controls", svg=figures.forest(bars, "Box IoU")) if len(bars) > 1 else None


def differences(runs: Sequence[Run]) -> Part | None:
    """Every run against its controls, and the first run against each other one on the samples that both answered."""
    rows = []
    for run in runs:
        for name, row in run.summary.get("controls", {}).items():
            cells = [cell(row.get(key), signed=True) for key in ("model_minus_this", "model_minus_this_mask")]
            rows.append([f"{run.name} − {lower(CONTROLS[name])}", *cells])
    for other in () if mixed(runs) else runs[1:]:
        rows.append(
            [
                f"{runs[0].name} − {other.name}",
                *(_between(runs[0], other, measure) for measure in ("box_iou", "mask_dice")),
            ]
        )
    words = [
        "Sample by sample on the same questions, intervals by case; a difference is real where its interval excludes 0."
    ]
    return Part("Differences", words, Table(["", "Box IoU", "Mask Dice"], rows)) if rows else None


def _between(one: Run, other: Run, measure: str) -> str:
    theirs = {(record["id"], record["question"]): record for record in other.records}
    both = [(a, b) for a in one.records if (b := theirs.get((a["id"], a["question"])))]
    both = [(a, b) for a, b in both if a.get(measure) is not None and b.get(measure) is not None]
    if not both:
        return NOWHERE
    sides = ([record[measure] for record in side] for side in zip(*both, strict=True))
    return cell(asdict(paired(*sides, [record["case"] for record, _ in both])), signed=True)


def conversion(runs: Sequence[Run]) -> Part | None:
    """What it costs to read a model's numbers as the published evaluation did."""
    rows = []
    for raw in (run for run in runs if not run.converted):
        alike = [
            r
            for r in runs
            if r.converted and all(r.summary[key] == raw.summary[key] for key in ("model", "prompt", "think"))
        ]
        for fair in alike[:1]:
            pair = [run.summary["as_published"]["iou"] for run in (fair, raw)]
            rows.append(
                [fair.summary["model"], fair.summary["writes"], *(percent(interval) for interval in pair)]
            )
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
        means = [percent(scores[key]) for key in ("iou", "pdice", "dice")]
        kinds = [percent(scores["per_supercategory_iou"].get(name)) for name in told["columns"][5:]]
        rows.append([label, run.set, *means, *kinds])
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
        rows = run.summary.get(f"per_{key}", {})
        ordered = [name for _, name in SIZES if name in rows] if key == "size" else rows
        named = {name or "not stated": rows[name] for name in ordered if rows[name]["box_iou"]}
        if len(named) < 2:
            continue
        if key == "category":
            rows = [
                [name, str(row["box_iou"]["n"]), *(cell(row.get(m)) for m in ("box_iou", "mask_dice"))]
                for name, row in named.items()
            ]
            parts.append(
                Part(
                    f"By {title.lower()}", [run.name], Table([title, "Samples", "Box IoU", "Mask Dice"], rows)
                )
            )
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
        failed = sum(run.summary["failures"].values())
        rows.append(
            [
                run.name,
                str(run.summary["n"]),
                str(failed),
                *map(str, counts),
                str(len(run.summary["unanswered"])),
            ]
        )
    words = [
        "Answers that gave no usable box, and for what reason; a refusal says in words that no answer will be given. Requests that were "
        "lost never reached a model or never came back: they are in no mean, and the next run makes them again."
    ]
    return Part("Failures", words, Table(["", "Answers", "Failed", *reasons, "Requests lost"], rows))


def cases(run: Run, samples: Mapping[str, Sample] | None) -> Part | None:
    shown = gallery(run.records, samples)
    words = [
        f"{run.name}, ordered by {MEASURES[measure_of(run.records)]}; chosen by score alone. Box and points are the model's, the "
        "filled outline its mask; the truth is dashed."
    ]
    return Part("Cases", words, cases=shown) if shown else None


def cost(runs: Sequence[Run], prices: Prices) -> Part:
    rows = []
    for run in runs:
        spent, times = run.summary["cost"], run.summary["median_timings_s"]
        tokens = (
            NOWHERE if not spent["counted"] else f"{spent['tokens_in']:,} in, {spent['tokens_out']:,} out"
        )
        rates = [
            spent["samples_per_s"],
            spent["seconds_per_answer"],
            times.get("first_token"),
            spent["tokens_per_s"],
        ]
        rows.append([run.name, *map(number, rates), tokens, prices.cost(run.summary)])
    header = ["", "Samples / s", "Answer, s", "First token, s", "Tokens / s", "Tokens", "Cost"]
    words = [
        "On the machine of the run, controls left out. Samples per second are of the whole run: encoding, answers, masks and scores. The "
        "other times are medians; first token and tokens per second are known only where answers were streamed one by one. Nothing is "
        "known where a run only scored another run's answers.",
        "The cost follows from the prices that whoever made this report gave, and is not known without.",
    ]
    return Part("Cost and speed", words, Table(header, rows))


def made_with(runs: Sequence[Run]) -> Part:
    facts = {
        "set": "Set",
        "data": "Read from",
        "data_sha256": "Digest of the data",
        "n": "Samples",
        "model": "Model",
    }
    facts |= {"segmenter": "Segmenter", "prompts": "It sees", "frame": "Frame", "think": "Reasoning"}
    facts |= {"prompt": "Prompt", "weights": "Weights"}
    shown = [run.summary | {"data_sha256": run.summary["data_sha256"][:16]} for run in runs]
    rows = [[title, *(plain(summary[key]) for summary in shown)] for key, title in facts.items()]
    return Part("How it was made", [], Table(["", *(run.name for run in runs)], rows))


def _bar(label: str, interval: dict, kind: str, n: int | None = None) -> Bar:
    return Bar(label, interval["mean"], interval["low"], interval["high"], kind, n)

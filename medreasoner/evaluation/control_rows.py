"""The controls of an evaluation as rows of its table: what a reader who never looks would score, and a model that is deceived.

Is: every control run or computed, and set beside the model sample by sample. Is not: how an image or a question is exchanged
(`controls.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict

from medreasoner.data.sample import Sample
from medreasoner.evaluation import controls
from medreasoner.evaluation.controls import Prior, kind
from medreasoner.evaluation.evaluator import Evaluator
from medreasoner.evaluation.scoring import Record, fits_best
from medreasoner.evaluation.summary import MEASURES, cumulative, interval
from medreasoner.geometry import Box, Grounding
from medreasoner.metrics import box_iou, paired

MASKS = ("mask_dice", "mask_giou", "hd95", "nsd")


def rows(
    bench: Evaluator, samples: Sequence[Sample], records: Sequence[Record], mean: Prior, seed: int
) -> dict[str, dict]:
    """name -> row; `samples` and `records` belong together one by one and have a target each.

    Deceived runs need the model itself; they are left out where answers of another run are scored.
    """
    sizes = [tuple(record["image_wh"]) for record in records]
    found = {
        name: _row(records, _boxed(samples, records, of), seed)
        for name, of in _boxes(samples, sizes, mean, seed).items()
    }
    found["prior"]["kinds_not_in_training"] = sorted(
        {" ".join(kind(s)) for s in samples if kind(s) not in mean.boxes}
    )
    if not bench.answers:
        truths = [
            Grounding(tuple(r["truth"]["box"]), tuple(tuple(p) for p in r["truth"]["points"]))
            for r in records
        ]
        deceived = {
            "question_shuffled": controls.shuffled_questions(samples, seed),
            "image_swapped": controls.swapped_images(samples, truths, sizes, seed),
            "image_blanked": controls.blanked_images(samples, truths, sizes),
        }
        for name, others in deceived.items():
            found[name] = _row(records, bench.ask(others, f"{name}.jsonl", masks=False).records, seed)
        other = "direct" if bench.run["think"] else "reasoning"
        found[other] = _row(
            records,
            bench.ask(samples, f"{other}.jsonl", masks=False, think=not bench.run["think"]).records,
            seed,
        )
    for name in dict.fromkeys(name for record in records for name in record.get("drawn", {})):
        found[name] = {**found.get(name, {}), **_drawn(records, name, seed)}
    return found


def _boxes(
    samples: Sequence[Sample], sizes: Sequence[tuple[int, int]], mean: Prior, seed: int
) -> dict[str, list[Box]]:
    """The boxes of readers that need no model, in pixels of each image."""
    return {
        "prior": [mean.box(kind(sample), size) for sample, size in zip(samples, sizes, strict=True)],
        "centre_box": [controls.centre_box(size) for size in sizes],
        "whole_image": [controls.whole_box(size) for size in sizes],
        "random_box": [
            controls.random_box(size, f"{sample.id} {seed}")
            for sample, size in zip(samples, sizes, strict=True)
        ],
    }


def _boxed(samples: Sequence[Sample], records: Sequence[Record], boxes: Sequence[Box]) -> list[Record]:
    """Records of `boxes` given as answers."""
    return [
        {
            **_who(r),
            "box_iou": box_iou(box, r["truth"]["box"]),
            "fits_best": fits_best(box, r["truth"]["box"], s.others),
        }
        for s, r, box in zip(samples, records, boxes, strict=True)
    ]


def _who(record: Record) -> Record:
    return {"id": record["id"], "case": record["case"]}


def _row(records: Sequence[Record], control: Sequence[Record], seed: int) -> dict:
    """The scores of a control, and the model's box IoU minus the control's, sample by sample."""
    row = {name: interval(control, MEASURES[name], seed) for name in ("box_iou", "acc_50")}
    row["fits_best"] = interval(control, lambda record: record["fits_best"], seed)
    row["model_minus_this"] = None
    if len(control) == len(records):  # not where requests failed
        ious = [[record["box_iou"] for record in listed] for listed in (records, control)]
        row["model_minus_this"] = asdict(paired(*ious, [record["case"] for record in records], seed))
    return row


def _drawn(records: Sequence[Record], name: str, seed: int) -> dict:
    """The segmenter alone: the masks that it draws from boxes and points which no model had to find."""
    having = [record for record in records if name in record.get("drawn", {})]
    drawn = [{"case": record["case"], **record["drawn"][name]} for record in having]
    row = {measure: interval(drawn, MEASURES[measure], seed) for measure in MASKS} | {
        "mask_ciou": cumulative(drawn, seed)
    }
    dices = [[record["mask_dice"] for record in listed] for listed in (having, drawn)]
    return {
        **row,
        "model_minus_this_mask": asdict(paired(*dices, [record["case"] for record in having], seed)),
    }

"""Means over the records of a run, with 95 % intervals that draw whole cases; overall and in groups, and what failed.

Is: one mapping of names to measures, for every table. Is not: a score of one sample (`scores.py`).

A failed answer counts zero in every mean. Names that end in `published` follow the published system's formulas; no table mixes the two.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from medreasoner.evaluation.scoring import Record
from medreasoner.metrics import ratio, summary

Value = Callable[[Record], float | None]


def _field(name: str) -> Value:
    return lambda record: record.get(name)


# of gIoU and cIoU the first is a mean of IoUs, the second a sum of intersections over a sum of unions, so that large targets rule it
MEASURES: dict[str, Value] = {
    "box_iou": _field("box_iou"),
    "acc_50": lambda record: record["box_iou"] >= 0.5,
    "pdice_published": _field("pdice_published"),
    "point_dice": _field("point_dice"),
    "points_in_mask": _field("points_in_mask"),
    "mask_dice": _field("mask_dice"),
    "mask_giou": _field("mask_iou"),
    "hd95": _field("hd95"),
    "nsd": _field("nsd"),
}
PUBLISHED: dict[str, Value] = {
    "iou": _field("box_iou_published"),
    "pdice": _field("pdice_published"),
    "dice": _field("mask_dice_published"),
}
GROUPS = ("modality", "supercategory", "category", "size")


def summarise(records: Sequence[Record], seed: int = 0) -> dict:
    """Means with intervals, overall and in groups, and what failed.

    Acc@0.5 counts a box IoU of 0.5 or more. `pdice_published` is on the published scale, 0..2. `hd95` is in shares of the image's diagonal.
    `place_agrees` and `fits_best` are over the records that have them: reasoning that claims a place, and images with another target.
    Samples whose image holds no target are in `presence` alone.
    """
    asked = [record for record in records if record["truth"] is not None]
    absent = [record for record in records if record["truth"] is None]
    timed = [record["timings_s"] for record in records if "timings_s" in record]
    return {
        "n": len(records),
        "overall": measures(asked, seed),
        "as_published": as_published(asked, seed),
        **{f"per_{key}": grouped(asked, key, seed) for key in GROUPS},
        "well_formed": interval(asked, _field("well_formed"), seed),
        "failures": dict(Counter(record["failure"] for record in asked if record["failure"]).most_common()),
        "fits_best": interval(asked, _field("fits_best"), seed),
        "place_agrees": interval(asked, _field("place_agrees"), seed),
        "presence": presence(asked, absent, seed),
        "median_timings_s": {
            name: float(np.median([times[name] for times in timed])) for name in (timed[0] if timed else ())
        },
        "cost": cost(records),
    }


def measures(records: Sequence[Record], seed: int = 0) -> dict:
    """Every measure of the records as a mean with its interval; None where no record has it."""
    result = {name: interval(records, value, seed) for name, value in MEASURES.items()}
    return {**result, "mask_ciou": cumulative(records, seed)}


def cumulative(records: Sequence[Record], seed: int = 0) -> dict | None:
    """The cumulative IoU of the masks, None where there are none."""
    masks = [(*record["overlap"], record["case"]) for record in records if record.get("overlap")]
    return asdict(ratio(*zip(*masks, strict=True), seed=seed)) if masks else None


def as_published(records: Sequence[Record], seed: int = 0) -> dict:
    """IoU, pDice and Dice by the published formulas, overall, and the IoU per super-category."""
    groups = _by(records, "supercategory")
    return {
        **{name: interval(records, value, seed) for name, value in PUBLISHED.items()},
        "per_supercategory_iou": {
            name: interval(group, PUBLISHED["iou"], seed) for name, group in groups.items() if name
        },
    }


def presence(asked: Sequence[Record], absent: Sequence[Record], seed: int = 0) -> dict | None:
    """How often a target that is there got a box, and one that is not there got none; None where every image holds its target."""
    if not absent:
        return None
    return {
        "sensitivity": interval(asked, lambda record: record["box"] is not None, seed),
        "specificity": interval(absent, lambda record: record["box"] is None, seed),
    }


def cost(records: Sequence[Record]) -> dict:
    """Time and tokens, where they were counted. `wall_s` is what the run took with opening images left out, all processes of it added up,
    and `samples_per_s` follows from it; `seconds_per_answer` is the median from question to last token (in a batch, its share), also where
    several are under way at once; tokens are of the `counted` answers that have the figure."""
    walls = [record["wall_s"] for record in records if record.get("wall_s")]
    timed = [record["seconds"] for record in records if record.get("seconds")]
    counted = [record for record in records if record.get("tokens_out") is not None]
    rates = [record["tokens_per_s"] for record in records if record.get("tokens_per_s")]
    return {
        "wall_s": sum(walls) if walls else None,
        "samples_per_s": len(walls) / sum(walls) if walls else None,
        "seconds_per_answer": float(np.median(timed)) if timed else None,
        "tokens_per_s": float(np.median(rates)) if rates else None,
        "counted": len(counted),
        "tokens_in": sum(record["tokens_in"] for record in counted) if counted else None,
        "tokens_out": sum(record["tokens_out"] for record in counted) if counted else None,
    }


def interval(records: Sequence[Record], value: Value, seed: int = 0) -> dict | None:
    """The mean of `value` over the records where it is not None."""
    scores = [(float(score), record["case"]) for record in records if (score := value(record)) is not None]
    return asdict(summary(*zip(*scores, strict=True), seed=seed)) if scores else None


def grouped(records: Sequence[Record], key: str, seed: int = 0) -> dict[str, dict]:
    """The measures of every group of records that agree in `key`."""
    return {name: measures(group, seed) for name, group in _by(records, key).items()}


def _by(records: Sequence[Record], key: str) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record[key]].append(record)
    return dict(sorted(groups.items()))

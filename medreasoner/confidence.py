"""Confidence: one number beside an answer, the chance that it is right, fitted on held-back cases.

Of a place it is the chance that the box overlaps the target by half (IoU 0.5 or more; never where there is no
target), of an absence the chance that there really is none. Each is a logistic regression on a few features
of the answer (Platt 1999); its weights lie in `calibration.json` beside the model's weights:

    {"format": 1, "place": {"intercept": -3.1, "weights": {"spread": -2.2}, "answers": 240, "cases": 101},
     "absence": {...}}

`train/calibrate.py` fits and writes it. A model without the file has no confidence: "not known".
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from medreasoner.certainty import Certainty
from medreasoner.geometry import Box
from medreasoner.json_files import read_json
from medreasoner.messages import short

NAME = "calibration.json"
FORMAT = 1
SMALLEST, LARGEST_LOGIT = 1e-4, 9.0  # beyond these a probability or a spread says nothing more
FEATURES = {  # of an answer, by name
    "spread": "log of the largest of the box's four `Certainty.coordinate_spread`",
    "mean_spread": "log of their mean",
    "area": "log of the box's share of the image",
    "mask_iou_estimate": "the segmenter's own estimate of its mask's IoU, 0..1",
    "presence": "log odds of `Certainty.presence`",
}


def features(
    certainty: Certainty,
    box: Box | None = None,
    image_wh: tuple[int, int] | None = None,
    mask_iou_estimate: float | None = None,
) -> dict[str, float]:
    """Those of FEATURES that are known of an answer. `box` is in pixels of the image of size `image_wh`."""
    found = {}
    if certainty.coordinate_spread is not None:
        found["spread"] = math.log(max(SMALLEST, *certainty.coordinate_spread))
        found["mean_spread"] = math.log(max(SMALLEST, sum(certainty.coordinate_spread) / 4))
    if box is not None and image_wh is not None:
        share = (box[2] - box[0]) * (box[3] - box[1]) / (image_wh[0] * image_wh[1])
        found["area"] = math.log(max(SMALLEST, share))
    if mask_iou_estimate is not None:
        found["mask_iou_estimate"] = mask_iou_estimate
    if certainty.presence is not None:
        found["presence"] = _logit(certainty.presence)
    return found


def _logit(probability: float) -> float:
    if not 0 < probability < 1:
        return math.copysign(LARGEST_LOGIT, probability - 0.5)
    return min(LARGEST_LOGIT, max(-LARGEST_LOGIT, math.log(probability / (1 - probability))))


@dataclass(frozen=True, kw_only=True)
class Logistic:
    """A logistic regression: the chance is the logistic function of intercept + sum of weight x feature.

    Args:
        weights: by a name of FEATURES.
        answers, cases: how many it was fitted on; 0 where nobody said.

    Errors: ValueError for what is no finite number, or a name that is not in FEATURES.
    """

    intercept: float
    weights: Mapping[str, float]
    answers: int = 0
    cases: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.weights, Mapping):
            raise ValueError(f"weights must be an object of numbers, got {short(self.weights)}")
        if unknown := sorted(self.weights.keys() - FEATURES.keys()):
            raise ValueError(f"unknown feature {short(unknown[0])}, expected some of {', '.join(FEATURES)}")
        for name, value in {"intercept": self.intercept, **self.weights}.items():
            if type(value) not in (float, int) or not math.isfinite(value):
                raise ValueError(f"{name} must be a finite number, got {short(value)}")
        for name in ("answers", "cases"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number from 0, got {short(value)}")

    def chance(self, known: Mapping[str, float]) -> float | None:
        """0..1 for an answer with these features; None where one that counts is not known."""
        if not self.weights.keys() <= known.keys():
            return None
        score = self.intercept + sum(weight * known[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-score)) if score > 0 else 1 - 1 / (1 + math.exp(score))


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The contents of `calibration.json`; None for a kind of answer that could not be fitted."""

    place: Logistic | None = None
    absence: Logistic | None = None

    def of_place(self, known: Mapping[str, float]) -> float | None:
        """The chance, 0..1, that a box with these `features` overlaps its target by half."""
        return self.place and self.place.chance(known)

    def of_absence(self, known: Mapping[str, float]) -> float | None:
        """The chance, 0..1, that the target is really not there, of an answer that says so."""
        return self.absence and self.absence.chance(known)

    @staticmethod
    def read(folder: str | Path) -> "Calibration | None":
        """That of a model's folder, None if it has none. Errors: ValueError with one sentence if it is not
        understood."""
        path = Path(folder) / NAME
        if not path.exists():
            return None
        values = read_json(path)
        version = values.pop("format", None)
        if version != FORMAT:
            raise ValueError(
                f"{path}: format {version!r} is not known, expected {FORMAT}; a newer medreasoner may read it"
            )
        kinds = ("place", "absence")
        if unknown := sorted(values.keys() - set(kinds)):
            raise ValueError(f"{path}: unknown key {short(unknown[0])}, expected some of {', '.join(kinds)}")
        try:
            return Calibration(**{kind: _logistic(kind, values[kind]) for kind in kinds if kind in values})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def dumps(self) -> str:
        """The contents of the file."""
        kinds = {kind: values for kind, values in asdict(self).items() if values is not None}
        return json.dumps({"format": FORMAT, **kinds}, indent=1) + "\n"


def _logistic(kind: str, values: object) -> Logistic:
    """Errors: ValueError."""
    keys = ("intercept", "weights", "answers", "cases")
    if not isinstance(values, dict) or not {"intercept", "weights"} <= values.keys() <= set(keys):
        raise ValueError(f"{kind} must be an object of {', '.join(keys)}, got {short(values)}")
    return Logistic(**values)

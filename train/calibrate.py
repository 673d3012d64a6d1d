"""Fits a model's confidence on held-back cases and writes it beside the weights (`calibration.json`).

    python -m train.calibrate runs/mean --data runs/data --out runs/held_back
    python -m train.calibrate runs/mean --out runs/held_back      # fit again on the answers that are there

The model answers the training cases that were held back (`train/holdout.py`), half of them in wordings that
were held back too, exactly as `medreasoner evaluate` has it answer, and the records are kept in OUT. Any
model whose token probabilities can be read serves: one token a number or digit by digit. Places and absences
are fitted apart, on the features that do best. What is printed is cross-validated by case, so that no answer
judges the weights that it made.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from medreasoner.confidence import FEATURES, NAME, Calibration, Logistic, features
from medreasoner.data.load import load
from medreasoner.data.sample import Sample
from medreasoner.data.taxonomy import categories
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.record_file import read_records
from medreasoner.evaluation.run import RECORDS, Source, evaluate
from medreasoner.metrics import Interval, auroc, calibration_error, statistic
from medreasoner.model import MedReasoner
from train.compare import in_words, reworded
from train.holdout import held_back_cases

# Features to choose from. The segmenter's estimate is not among them: with it a confidence would hold for one
# segmenter alone, and it brought nothing beside the spread (docs/experiments/evaluation.md).
PLACE = (
    ("spread",),
    ("spread", "presence"),
    ("spread", "mean_spread", "presence"),
    ("spread", "area", "presence"),
    ("area",),
)
ABSENCE = (("presence",),)
RIDGE = 1.0  # of the standardised weights, not of the intercept
FEWEST = 10  # right answers and wrong ones, each, or nothing is fitted
FOLDS = 5


def held_back(folders: Sequence[str], seed: int = 0) -> list[Sample]:
    """The held-back training samples of some sets, every other one in a wording that was held back, where its
    category has one."""
    rng, samples = random.Random(seed), []
    trained = [sample for folder in folders for sample in load(folder, "train", strict=True)]
    held = held_back_cases(sample.case for sample in trained)
    for number, sample in enumerate(sample for sample in trained if sample.case in held):
        category = categories().get(sample.target or sample.category)
        if number % 2 and not sample.absent and category is not None and category.held_back:
            sample = replace(sample, question=reworded(sample, rng))
        samples.append(sample)
    return samples


def known_of(record: Record) -> dict[str, float]:
    """The features of a recorded answer."""
    return features(record.certainty, record.box, record.image_wh, record.mask_score)


def fit(records: Sequence[Record], names: Sequence[str], fewest: int = FEWEST) -> Logistic | None:
    """A logistic regression of `Record.right` on the features `names`, over the records that have them all;
    None where fewer than `fewest` answers are right, or wrong."""
    usable = [(record, known_of(record)) for record in records]
    usable = [(record, known) for record, known in usable if set(names) <= known.keys()]
    right = np.array([record.right for record, _ in usable], dtype=float)
    if min(right.sum(), len(right) - right.sum()) < fewest:
        return None
    values = np.array([[known[name] for name in names] for _, known in usable])
    mean, scale = values.mean(0), np.maximum(values.std(0), 1e-6)
    standard = np.column_stack([np.ones(len(values)), (values - mean) / scale])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        score = standard @ weights
        penalty = np.r_[0.0, weights[1:]] * RIDGE
        value = np.logaddexp(0, score).sum() - right @ score + penalty @ weights / 2
        return value, standard.T @ (1 / (1 + np.exp(-score)) - right) + penalty

    found = minimize(loss, np.zeros(standard.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[1:] / scale
    return Logistic(
        intercept=float(found[0] - weights @ mean),
        weights={name: float(weight) for name, weight in zip(names, weights, strict=True)},
        answers=len(usable),
        cases=len({record.case for record, _ in usable}),
    )


def cross_validated(
    records: Sequence[Record], names: Sequence[str], folds: int = FOLDS
) -> tuple[list[float], list[float], list[str]]:
    """(chances, right or wrong, cases) of the answers, each by weights that were fitted on other cases."""
    cases = sorted({record.case for record in records})
    random.Random(0).shuffle(cases)
    fold = {case: number % folds for number, case in enumerate(cases)}
    found = []
    for number in range(folds):
        model = fit([record for record in records if fold[record.case] != number], names, FEWEST // 2)
        for record in records:
            chance = model.chance(known_of(record)) if model and fold[record.case] == number else None
            if chance is not None:
                found.append((chance, float(record.right), record.case))
    return tuple(map(list, zip(*found, strict=True))) if found else ([], [], [])


def log_loss(chances: Sequence[float], right: Sequence[float]) -> float:
    """Mean negative log-likelihood, the proper score by which features are chosen; infinite for none."""
    sure = np.clip(chances, 1e-6, 1 - 1e-6)
    return float(-np.mean(np.where(np.array(right) > 0, np.log(sure), np.log(1 - sure)))) if right else np.inf


def best(records: Sequence[Record], candidates: Sequence[Sequence[str]]) -> Sequence[str]:
    """The candidate with the lowest cross-validated log loss; of equal ones the first."""
    return min(candidates, key=lambda names: log_loss(*cross_validated(records, names)[:2]))


def report(kind: str, records: Sequence[Record], names: Sequence[str]) -> str:
    """One line for a person on how well these features would do."""
    chances, right, cases = cross_validated(records, names)
    if not chances:
        return f"{kind}: not fitted; of {len(records)} answers too few are right, or too few wrong"
    area, error = (_in_words(statistic(of, chances, right, cases)) for of in (auroc, calibration_error))
    return (
        f"{kind} ({', '.join(names)}): {len(right)} answers of {len(set(cases))} cases, "
        f"{sum(right) / len(right):.1%} right; AUROC {area}, calibration error {error}"
    )


def _in_words(interval: Interval | None) -> str:
    return in_words(interval) or "not defined"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="folder of the model; calibration.json is written there")
    parser.add_argument(
        "--data", nargs="+", help="built sets; without them the answers in OUT are fitted again"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the records")
    parser.add_argument("--segmenter", help="as for evaluate; default: the model's own")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--limit", type=int, default=0, help="at most so many samples, for a trial")
    parser.add_argument("--place", nargs="+", choices=FEATURES, metavar="FEATURE", help="instead of the best")
    parser.add_argument("--absence", nargs="+", choices=FEATURES, metavar="FEATURE", help="likewise")
    args = parser.parse_args(arguments)
    if args.data:
        samples = held_back(args.data)
        samples = random.Random(0).sample(samples, args.limit) if args.limit else samples
        model = MedReasoner.from_pretrained(args.model, args.segmenter)
        options, source = Options(batch=args.batch), Source(" ".join(args.data))
        evaluate(samples, model.reasoner, model.segmenter, args.out, options, source=source)
    answered = [record for record in read_records(args.out / RECORDS) if record.found is not None]
    if not answered:
        parser.error(f"{args.out} holds no answers; name the set with --data")
    fitted = {}
    for kind, found, given, candidates in (
        ("place", True, args.place, PLACE),
        ("absence", False, args.absence, ABSENCE),
    ):
        records = [record for record in answered if record.found is found]
        for names in candidates:
            print(report(kind, records, names))
        fitted[kind] = fit(records, given or best(records, candidates))
    calibration = Calibration(**fitted)
    path = args.model / NAME
    path.write_text(calibration.dumps(), encoding="utf-8")
    print(f"written to {path}")


if __name__ == "__main__":
    main()

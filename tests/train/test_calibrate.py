"""The confidence that is fitted on held-back cases: it ranks, it means what it says, and it is left out where
too little is known.

python -m pytest tests/train/test_calibrate.py
"""

import json
import random

import numpy as np
import pytest

from medreasoner.confidence import NAME, Calibration
from medreasoner.evaluation.record import Record
from medreasoner.evaluation.record_file import line
from medreasoner.geometry import Grounding
from medreasoner.metrics import auroc, calibration_error
from tests.train.sets import CASES
from train.calibrate import FEWEST, best, cross_validated, fit, held_back, known_of, main

TRUTH = Grounding((0.0, 0.0, 10.0, 10.0), ((2.0, 2.0), (8.0, 8.0)))


def records(number: int, seed: int = 0, present: bool = True) -> list[Record]:
    """Answers with a place. The log of the spread says how likely they are to be right; area and presence
    say nothing."""
    rng, found = random.Random(seed), []
    for n in range(number):
        spread = rng.uniform(-4, 0)
        right = rng.random() < 1 / (1 + np.exp(2 * (spread + 2)))
        side = rng.uniform(10, 90)
        found.append(
            Record(
                id=f"{seed}/{n}",
                question="?",
                case=f"case {n // 2}",
                image_wh=(100, 100),
                found=True,
                truth=TRUTH if present else None,
                box=(0.0, 0.0, side, side),
                box_iou=(0.7 if right else 0.1) if present else None,
                coordinate_spread=(np.exp(spread), 0.001, 0.001, 0.001),
                presence=rng.uniform(0.5, 1),
                coordinate_probability=0.5,
                mask_score=0.9,
            )  # fmt: skip
        )
    return found


def test_what_is_fitted_ranks_and_means_what_it_says_on_other_answers():
    model, others = fit(records(800), ["spread"]), records(2000, seed=1)
    assert model.weights["spread"] == pytest.approx(-2, abs=0.4) and model.answers == 800
    chances = [model.chance(known_of(record)) for record in others]
    right = [float(record.right) for record in others]
    assert auroc(chances, right) > 0.85 and calibration_error(chances, right) < 0.05


def test_no_answer_is_judged_by_weights_that_its_case_made():
    answers = records(200)
    chances, right, cases = cross_validated(answers, ["spread"])
    assert len(chances) == len(right) == len(cases) == 200
    whole = fit(answers, ["spread"])
    assert {round(chance, 9) for chance in chances}.isdisjoint(
        round(whole.chance(known_of(record)), 9) for record in answers
    )


def test_the_features_that_tell_are_chosen():
    assert best(records(300), (("area",), ("spread",), ("presence",))) == ("spread",)


def test_a_place_where_nothing_is_counts_as_wrong():
    there, nothing = records(200), records(200, seed=1, present=False)
    assert not any(record.right for record in nothing)
    with_both = fit([*there, *nothing], ["spread"])
    known = known_of(there[0])
    assert with_both.chance(known) < fit(there, ["spread"]).chance(known)


def test_too_few_right_answers_or_features_are_not_fitted():
    wrong = [record for record in records(300) if not record.right]
    right = [record for record in records(300) if record.right][: FEWEST - 1]
    assert fit([*wrong, *right], ["spread"]) is None
    bare = [Record(id="a", question="?", case="a", truth=TRUTH, found=True, box_iou=0.7, box=TRUTH.box)] * 30
    assert fit(bare, ["spread"]) is None


def test_the_command_fits_the_answers_that_are_there(tmp_path, capsys):
    (tmp_path / "m").mkdir()
    absences = [
        Record(
            id=f"a{n}", question="?", case=f"a{n}", found=False, truth=TRUTH if n % 3 == 0 else None,
            box_iou=0.0 if n % 3 == 0 else None, presence=0.4 if n % 3 == 0 else 0.01 + n / 1000,
        )
        for n in range(60)
    ]  # fmt: skip
    lines = "".join(line(record.to_json()) for record in [*records(120), *absences])
    (tmp_path / "records.jsonl").write_text(lines)
    main([str(tmp_path / "m"), "--out", str(tmp_path)])
    calibration = Calibration.read(tmp_path / "m")
    assert "spread" in calibration.place.weights and calibration.absence.weights["presence"] < 0
    said = capsys.readouterr().out
    assert "AUROC" in said and NAME in said and "absence (presence): 60 answers of 60 cases" in said
    assert json.loads((tmp_path / "m" / NAME).read_text())["absence"]["cases"] == 60


def test_only_held_back_cases_are_asked(built_set):
    samples = held_back([str(built_set)])
    assert [sample.case for sample in samples] == [CASES[3]]

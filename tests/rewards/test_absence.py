"""Rewards where presence decides: the four cases of truth and answer, in every set.

python -m pytest tests/rewards/test_absence.py
"""

import io
import json

import numpy as np
import pytest

from medreasoner.answer import Absence, render
from medreasoner.cli import main
from medreasoner.rewards import SETS
from medreasoner.rewards.seg_zero import DEAD
from tests.rewards.answers import ROW, THINK, terms, total, written

NOTHING = {"bbox_2d": None, "point_2d": None, "absent": True}
SAYS_NO = render(Absence("The picture shows a chest, so there is no kidney to mark."))
DEAD_IN = {"paper-base": DEAD}


@pytest.mark.parametrize("name", SETS)
def test_a_right_absence_is_worth_full_marks(name):
    got = terms(name, SAYS_NO, **NOTHING)
    assert got == {term: 0.0 if term in DEAD_IN.get(name, ()) else 1.0 for term in got}


@pytest.mark.parametrize("name", SETS)
def test_a_place_where_nothing_is_and_an_absence_where_something_is_are_worth_nothing(name):
    assert set(terms(name, written(), **NOTHING).values()) == {0.0}
    with_mask = {"mask": mask_of_row(), "image": "image"}
    assert set(terms(name, SAYS_NO, **with_mask).values()) == {0.0}


def mask_of_row() -> np.ndarray:
    mask = np.zeros((840, 840), bool)
    x1, y1, x2, y2 = ROW["bbox_2d"]
    mask[y1:y2, x1:x2] = True
    return mask


@pytest.mark.parametrize("name", SETS)
def test_an_unreadable_answer_about_nothing_gets_no_more_than_its_text_is_worth(name):
    got = terms(name, f"{THINK} I cannot say.", **NOTHING)
    paid = {term for term, value in got.items() if value}
    assert paid <= SETS[name].of_text and total(name, f"{THINK} no", **NOTHING) < total(
        name, SAYS_NO, **NOTHING
    )


@pytest.mark.parametrize("name", ["paper-soft", "mask"])
def test_the_form_of_a_right_absence_counts(name):
    messy = f"Well. {render(Absence())}"
    assert total(name, messy, **NOTHING) < total(name, SAYS_NO, **NOTHING)
    assert terms("mask", render(Absence()), think=False, **NOTHING)["form"] == 1.0


@pytest.mark.parametrize(
    "wrong", [{"bbox_2d": [1, 2, 3, 4]}, {"mask": np.ones((840, 840), bool)}, {"image_wh": None}]
)
def test_a_row_that_contradicts_itself_gives_none(wrong):
    for name in SETS:
        assert set(terms(name, SAYS_NO, **(NOTHING | wrong)).values()) == {None}


def test_only_true_makes_a_row_absent():
    for value in (False, None):
        assert terms("paper-soft", written(), absent=value) == terms("paper-soft", written())
    assert set(terms("paper-soft", written(), **(NOTHING | {"absent": False})).values()) == {None}


def test_the_command_scores_absences(monkeypatch, capsys):
    row = {"completion": SAYS_NO, "image_wh": [840, 840], "absent": True}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(row) + "\n"))
    assert main(["score", "--set", "paper-soft"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 4.0

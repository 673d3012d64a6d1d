"""Trained models side by side: the same scores, controls and thresholds as `evaluate`.

python -m pytest tests/train/test_compare.py
"""

from dataclasses import replace

import pytest

from medreasoner.answer import Answer, render
from medreasoner.data.load import DataError, load
from medreasoner.data.taxonomy import categories
from medreasoner.evaluation.controls import shuffled_questions, swapped_images
from medreasoner.evaluation.record import Record
from medreasoner.geometry import EMBEDDED, Grounding, from_image
from tests import tiny
from tests.evaluation.fakes import BoxFiller, write
from train.compare import line, score, with_control

TRUTH = Grounding((0.0, 0.0, 10.0, 10.0), ((2.0, 2.0), (8.0, 8.0)))


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    place = tmp_path_factory.mktemp("set")
    return [sample for number in range(3) for sample in write(place, number)]


def records(*ious: float) -> list[Record]:
    about = {"question": "?", "truth": TRUTH, "well_formed": True, "category": "liver, left"}
    return [
        Record(id=str(i), case=f"case {i}", box_iou=iou, mask_dice=iou, think="The liver.", **about)
        for i, iou in enumerate(ious)
    ]


def test_answers_are_scored_as_in_an_evaluation(samples, tmp_path):
    folder = tiny.embedded(tmp_path / "model", tiny.SCRIPT)
    truth = samples[0].truth()
    bbox, points = from_image(truth, EMBEDDED, (80, 60))
    right = render(Answer(bbox, points, "It is in the upper left of the image."))
    good, bad = score(folder, samples[:2], [right, "no answer"], BoxFiller())
    assert good.box_iou == pytest.approx(1) and good.mask_dice == 1 and good.well_formed
    assert (bad.box_iou, bad.mask_dice, bad.failure) == (0, 0, "no answer block")


def test_a_box_is_right_from_half_an_overlap_on():
    first = records(0.5, 0.4)
    cells = [cell.strip() for cell in line("model", first, first).split("|")[1:-1]]
    assert cells[1].startswith("0.450") and cells[2] == "" and cells[5:7] == ["50.0%", "100.0%"]
    assert cells[8:] == ["100.0%", "0.0%", ""], "the liver is named, nothing is refused, nothing is absent"


def test_questions_about_what_is_not_there_count_by_themselves():
    """They are no boxes that failed: one of two is told, one answerable question is refused."""
    nothing = {"question": "?", "truth": None, "well_formed": True, "category": "no question"}
    told = Record(id="a", case="a", found=False, **nothing)
    taken = Record(id="b", case="b", found=True, **nothing)
    refused = replace(records(0.0)[0], found=False)
    asked = [*records(1.0), refused, told, taken]
    cells = [cell.strip() for cell in line("model", asked, asked).split("|")[1:-1]]
    assert cells[1].startswith("0.500") and cells[-2:] == ["50.0%", "50.0%"]
    assert "+0.000" in line("other", list(asked), asked)


def test_differences_are_from_the_first_model():
    cells = line("other", records(0.6, 0.6), records(0.5, 0.4)).split("|")
    assert "+0.150" in cells[3] and "+0.150" in cells[5]


def test_controls_are_those_of_an_evaluation(samples):
    truths, sizes = [sample.truth() for sample in samples], [(80, 60)] * len(samples)
    assert with_control(samples, "none", 1) == samples
    assert with_control(samples, "shuffled", 1) == shuffled_questions(samples, 1)
    assert with_control(samples, "swapped", 1) == swapped_images(samples, truths, sizes, 1)


def test_a_question_held_back_from_training_asks_for_the_same(built_set):
    samples = list(load(built_set))
    asked = with_control(samples, "reworded", 0)
    known = categories()["colorectal polyp"]
    assert [replace(one, question="") for one in asked] == [replace(one, question="") for one in samples]
    questions = {one.question for one in asked}
    assert len(questions) > 1 and questions <= set(known.held_back) - set(known.questions)
    with pytest.raises(DataError, match="no wording of 'gadget' is held back"):
        with_control([replace(samples[0], category="gadget", target="")], "reworded", 0)

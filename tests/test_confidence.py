"""Confidence: features of an answer, the file beside the weights, and the number that a run ends with."""

import json
import math
import shutil
from dataclasses import replace

import pytest

from medreasoner import MedReasoner, ReasonerError
from medreasoner.certainty import Certainty
from medreasoner.confidence import FEATURES, NAME, Calibration, Logistic, features
from medreasoner.imaging import load_image
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.page.examples import load_examples
from medreasoner.pipeline import ground

EXAMPLE = load_examples()[0]
PICTURE = load_image(EXAMPLE.image).image  # of noise the embedded model says that it shows nothing
CERTAIN = Certainty(0.5, (0.1, 0.2, 0.3, 0.2), 0.9)


def test_features_are_those_that_are_known():
    known = features(CERTAIN, (0.0, 0.0, 30.0, 20.0), (300, 200), 0.75)
    assert known == {
        "spread": pytest.approx(math.log(0.3)),
        "mean_spread": pytest.approx(math.log(0.2)),
        "area": pytest.approx(math.log(0.01)),
        "mask_iou_estimate": 0.75,
        "presence": pytest.approx(math.log(9)),
    }
    assert known.keys() == FEATURES.keys() and features(Certainty()) == {}
    for presence in (0.0, 1.0):
        assert math.isfinite(features(Certainty(presence=presence))["presence"])
    assert math.isfinite(features(Certainty(coordinate_spread=(0.0,) * 4))["spread"])


def test_a_chance_is_the_logistic_of_the_weighted_features_and_needs_them_all():
    model = Logistic(intercept=-1.0, weights={"spread": -2.0, "area": 0.5})
    assert model.chance({"spread": -1.0, "area": -2.0, "presence": 3.0}) == pytest.approx(0.5)
    assert model.chance({"spread": -1.0}) is None
    assert 0 <= model.chance({"spread": 900.0, "area": 0.0}) < 1e-6
    assert 1 - 1e-6 < model.chance({"spread": -900.0, "area": 0.0}) <= 1


def test_the_file_reads_what_was_written_and_no_file_is_no_calibration(tmp_path):
    whole = Calibration(
        place=Logistic(intercept=-1.0, weights={"spread": -2.0}, answers=30, cases=12),
        absence=Logistic(intercept=0.5, weights={"presence": -1.5}),
    )
    (tmp_path / NAME).write_text(whole.dumps())
    assert Calibration.read(tmp_path) == whole
    (tmp_path / NAME).write_text(replace(whole, absence=None).dumps())
    assert Calibration.read(tmp_path).absence is None
    assert Calibration.read(tmp_path / "nowhere") is None


@pytest.mark.parametrize(
    "contents, said",
    [
        ({"format": 2}, "format 2 is not known"),
        ({"format": 1, "boxes": {}}, "unknown key 'boxes'"),
        ({"format": 1, "place": [1]}, "place must be an object"),
        ({"format": 1, "place": {"weights": {}}}, "place must be an object of intercept"),
        ({"format": 1, "place": {"intercept": 0.0, "weights": {"sread": 1.0}}}, "unknown feature 'sread'"),
        (
            {"format": 1, "place": {"intercept": 0.0, "weights": {"spread": "2"}}},
            "spread must be a finite number",
        ),
        ({"format": 1, "place": {"intercept": True, "weights": {}}}, "intercept must be a finite number"),
        ({"format": 1, "place": {"intercept": 0.0, "weights": 5}}, "weights must be an object"),
        (
            {"format": 1, "place": {"intercept": 0.0, "weights": {}, "cases": -1}},
            "cases must be a whole number",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_named_with_what_was_expected(tmp_path, contents, said):
    (tmp_path / NAME).write_text(json.dumps(contents))
    with pytest.raises(ValueError, match=said) as error:
        Calibration.read(tmp_path)
    assert str(tmp_path / NAME) in str(error.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The embedded model with a calibration of its own beside the weights."""
    made = tmp_path_factory.mktemp("sure") / "m"
    shutil.copytree(EMBEDDED_FOLDER, made, copy_function=lambda a, b: __import__("os").symlink(a, b))
    place = Logistic(intercept=-1.0, weights={"spread": -0.8, "area": 0.1, "presence": 0.01})
    (made / NAME).unlink(missing_ok=True)
    (made / NAME).write_text(Calibration(place=place).dumps())
    return made


def test_a_run_ends_with_the_confidence_that_the_file_beside_the_weights_says(folder):
    model = MedReasoner.from_pretrained(folder, device="cpu")
    done = model.ground(PICTURE, EXAMPLE.question)
    known = features(done.certainty, done.grounding.box, PICTURE.size, done.mask_score)
    assert done.confidence == pytest.approx(model.reasoner.calibration.of_place(known))
    assert 0 < done.confidence < 1
    model.reasoner.calibration = None
    *_, done = ground(PICTURE, EXAMPLE.question, model.reasoner, model.segmenter)
    assert done.confidence is None


def test_a_model_whose_calibration_is_not_understood_does_not_load(folder, tmp_path):
    broken = tmp_path / "m"
    shutil.copytree(folder, broken, symlinks=True)
    (broken / NAME).write_text("{}")
    with pytest.raises(ReasonerError, match="format None is not known"):
        MedReasoner.from_pretrained(broken, device="cpu")

"""Three runs: a fickle reader with controls, one that does not look, and the first read as published."""

from dataclasses import replace
from pathlib import Path

import pytest

from medreasoner.evaluation.controls import learn_prior
from medreasoner.evaluation.options import Options
from medreasoner.evaluation.report import write
from medreasoner.evaluation.run import Source, evaluate
from medreasoner.evaluation.saved_answers import SavedAnswers
from medreasoner.reasoners.families import UPSTREAM_RAW
from tests.evaluation.fakes import Blind, BoxFiller, ColourFinder
from tests.evaluation.fakes import write as write_images

SOURCE = Source("rectangles")


class Fickle(ColourFinder):
    """Right, half right, shy or mute, by turns."""

    def stream(self, encoded, question, think=True, stop=None):
        text = "".join(super().stream(encoded, question, think, stop))
        if self.questions % 4 == 0:
            yield "I'm sorry, but I can't help with <b>this</b>."
        else:
            yield text


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="session")
def samples(place) -> list:
    (place / "images").mkdir()
    listed = [sample for number in range(8) for sample in write_images(place / "images", number)]
    kinds = [
        ("neoplasm" if number % 3 else "lung", "CT" if number % 2 else "MRI") for number in range(len(listed))
    ]
    return [
        replace(sample, supercategory=one, modality=other)
        for sample, (one, other) in zip(listed, kinds, strict=True)
    ]


@pytest.fixture(scope="session")
def runs(place, samples) -> list[Path]:
    train = [sample for number in range(100, 104) for sample in write_images(place / "images", number)]
    evaluate(samples, Fickle(), BoxFiller(), place / "fickle", train=train, source=SOURCE)
    evaluate(samples, Blind(learn_prior(train)), BoxFiller(), place / "blind", source=SOURCE)
    answers = SavedAnswers.read(place / "fickle")
    evaluate(samples, answers, BoxFiller(), place / "raw", Options(frame=UPSTREAM_RAW), source=SOURCE)
    return [place / "fickle", place / "blind", place / "raw"]


@pytest.fixture(scope="session")
def written(place, runs, samples):
    return write(runs, place / "report.html", {sample.id: sample for sample in samples})

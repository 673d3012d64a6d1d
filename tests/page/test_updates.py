"""A run and a correction as values for the components."""

import base64
import json
import pickle

import numpy as np
import pytest

from medreasoner.certainty import UNKNOWN
from medreasoner.geometry import Grounding
from medreasoner.imaging import load_image
from medreasoner.page.downloads import make_file
from medreasoner.page.opened_files import OpenedFiles
from medreasoner.page.session import Session
from medreasoner.page.updates import recalled_values, refined_text, refined_values, run_updates


def test_a_run_leaves_its_end_and_the_embedding_in_the_session_and_a_correction_uses_both(model, image_file):
    session = Session(load_image(image_file), truth=np.ones((240, 320), dtype=bool))
    session.begin("a run", model.provenance("What is bright?"))
    shown = list(
        run_updates(model.stream(session.loaded.image, "What is bright?", cache=session.cache_of()), session)
    )
    assert session.done is not None and session.cache_of().segmenter_encoding is not None
    assert [kind["kind"] for kind in shown[-1]["downloads"]["kinds"]] == [
        "mask.png",
        "overlay.png",
        "grounding.json",
    ]
    encoded = session.cache_of().segmenter_encoding
    refined = model.refine(
        session.loaded.image,
        Grounding((40, 30, 200, 180), ((100, 90), (150, 120))),
        [(60, 60, False)],
        session.cache_of(),
    )
    session.correct(refined)
    assert session.done.certainty == UNKNOWN, "the model's certainty is about its own box"
    values = refined_values(session, refined_text(refined), 3)
    assert session.cache_of().segmenter_encoding is encoded and values["layers"]["edit"] == 3
    rows = {row["name"]: row["text"] for row in values["answer"]["rows"]}
    assert (
        rows["Corrected"] == "by hand, 1 excluded"
        and rows["Box"] == "x 40 – 200, y 30 – 180"
        and "Dice" in rows["Expert outline"]
    )
    facts = json.loads(base64.b64decode(make_file(session, "grounding.json")["url"].partition(",")[2]))
    assert (
        facts["corrected_by_hand"]
        and facts["clicks"] == [[60.0, 60.0, False]]
        and facts["box_xyxy"] == [40, 30, 200, 180]
    )
    with pytest.raises(KeyError):
        make_file(session, "../secret")


def test_earlier_answers_stay_with_the_image_and_come_back_as_they_were_corrected(model, image_file):
    session = Session.of_files(*OpenedFiles.read_own(image_file))
    for run in ("first", "second"):
        session.begin(run, model.provenance(f"What is bright, {run}?"))
        *_, last = run_updates(model.stream(session.loaded.image, "What is bright?"), session)
    assert [line["question"] for line in last["history"]["lines"]] == [
        "What is bright, first?",
        "What is bright, second?",
    ]
    assert last["history"]["shown"] == "second" and session.recall("first") and not session.recall("third")
    before = recalled_values(session)["layers"]
    refined = model.refine(session.loaded.image, Grounding((40, 30, 200, 180), ((100, 90), (150, 120))))
    session.correct(refined)
    session.recall("second")
    session.recall("first")
    assert recalled_values(session)["layers"]["box"] == [40, 30, 200, 180] != before["box"]
    assert session.shown.is_models_own(session.model_grounding, ())
    session.shown.restore()
    assert recalled_values(session)["layers"] == before and not session.corrected
    answers = json.loads(base64.b64decode(make_file(session, "answers.json")["url"].partition(",")[2]))
    assert [answer["question"] for answer in answers["answers"]] == [
        "What is bright, first?",
        "What is bright, second?",
    ]


def test_whatever_crosses_a_process_border_pickles(model, image_file):
    image = load_image(image_file).image
    events = list(model.stream(image, "What is bright?"))
    refined = model.refine(image, events[-1].grounding, [(60, 60, False)])
    for value in [*events, refined, image, events[-1].grounding]:
        again = pickle.loads(pickle.dumps(value))
        assert type(again) is type(value)
    assert np.array_equal(pickle.loads(pickle.dumps(events[-1])).mask, events[-1].mask)

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
from medreasoner.page.session import Session
from medreasoner.page.updates import refined_values, run_updates


def test_a_run_leaves_its_end_and_the_embedding_in_the_session_and_a_correction_uses_both(model, image_file):
    session = Session(load_image(image_file), truth=np.ones((240, 320), dtype=bool))
    session.begin("a run", model.provenance("What is bright?"))
    shown = list(
        run_updates(model.stream(session.loaded.image, "What is bright?", cache=session.cache), session)
    )
    assert session.done is not None and session.cache.segmenter_encoding is not None
    assert [kind["kind"] for kind in shown[-1]["downloads"]["kinds"]] == [
        "mask.png",
        "overlay.png",
        "grounding.json",
    ]
    shown_names = [row["name"] for row in shown[-1]["answer"]["rows"]]
    encoded = session.cache.segmenter_encoding
    refined = model.refine(
        session.loaded.image,
        Grounding((40, 30, 200, 180), ((100, 90), (150, 120))),
        [(60, 60, False)],
        session.cache,
    )
    session.correct(refined)
    values = refined_values(session, refined, 3)
    assert session.cache.segmenter_encoding is encoded and values["layers"]["edit"] == 3
    rows = {row["name"]: row["text"] for row in values["answer"]["rows"]}
    assert not {"Coordinates", "Overlap"} & {*shown_names, *rows}, "raw scores are no confidence"
    assert session.done.certainty == UNKNOWN, "the model's certainty is about its own box"
    assert (
        rows["Corrected"] == "by hand, 1 excluded"
        and rows["Box"] == "x 40 – 200, y 30 – 180"
        and "Dice" in rows["Truth"]
    )
    facts = json.loads(base64.b64decode(make_file(session, "grounding.json")["url"].partition(",")[2]))
    assert (
        facts["corrected_by_hand"]
        and facts["clicks"] == [[60.0, 60.0, False]]
        and facts["box_xyxy"] == [40, 30, 200, 180]
    )
    with pytest.raises(KeyError):
        make_file(session, "../secret")


def test_whatever_crosses_a_process_border_pickles(model, image_file):
    image = load_image(image_file).image
    events = list(model.stream(image, "What is bright?"))
    refined = model.refine(image, events[-1].grounding, [(60, 60, False)])
    for value in [*events, refined, image, events[-1].grounding]:
        again = pickle.loads(pickle.dumps(value))
        assert type(again) is type(value)
    assert np.array_equal(pickle.loads(pickle.dumps(events[-1])).mask, events[-1].mask)

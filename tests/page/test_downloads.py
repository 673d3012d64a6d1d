"""Which files an answer can be taken home as, and how they are called."""

import numpy as np
import pytest

from medreasoner.geometry import Grounding
from medreasoner.imaging import load_image
from medreasoner.page.downloads import BLANK, available, offered, saved_name
from medreasoner.page.session import Session
from tests.medical import CT, DEEP, dicom, uid

WHERE = Grounding((2, 2, 20, 20), ((8, 8), (12, 12)))
IDS = {"SOPInstanceUID": uid("instance"), "StudyInstanceUID": uid("study"), "SeriesInstanceUID": uid("series")}


@pytest.fixture
def answered(model):
    def answer(**header: object) -> Session:
        session = Session(load_image(dicom(np.tile(DEEP, (2, 2)), **CT, **header)), name="CT_small")
        session.begin("a run", model.provenance("What is bright?"))
        session.end(model.ground(session.loaded.image, "What is bright?"))
        return session

    return answer


def test_a_dicom_seg_is_offered_only_where_it_can_be_made_and_says_what_it_leaves_blank(answered):
    whole, poor = answered(**IDS), answered(**IDS)
    assert "mask.dcm" in available(whole) and offered(whole)["note"] == BLANK
    del poor.loaded.source.header["StudyInstanceUID"]
    assert "mask.dcm" not in available(poor) and offered(poor)["note"] == ""


def test_a_file_is_called_after_image_and_target(answered):
    session = answered(**IDS)
    assert saved_name(session, "mask.png") == "CT_small-target-mask.png"
    assert saved_name(session, "answers.json") == "CT_small-answers.json"
    session.name = "../a b"
    assert saved_name(session, "mask.png") == "a-b-target-mask.png"

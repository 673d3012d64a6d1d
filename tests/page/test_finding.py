"""The headline of an answer."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from medreasoner.events import Absent, Done
from medreasoner.geometry import Grounding
from medreasoner.imaging import LoadedImage
from medreasoner.output.grounding_json import Provenance
from medreasoner.page.answers import AnsweredQuestion
from medreasoner.page.details import detail_rows
from medreasoner.page.finding import confidence_word, headline, line

WHERE = Grounding((10, 40, 30, 60), ((15, 50), (25, 50)))
IMAGE = LoadedImage(Image.new("RGB", (100, 100)), "PNG")
TIMES = {"read": 0.1, "first_token": 0.2, "located": 0.5, "mask_after_last_token": 0.1, "total": 0.6}


def answered(
    think: str = "That describes an intracranial haemorrhage.", **changes: object
) -> AnsweredQuestion:
    mask = np.zeros((100, 100), bool)
    mask[45:55, 10:30] = True
    done = Done(think, "", WHERE, mask, 0.5, (100, 100), (), TIMES, None, "a model", "a segmenter")
    done = replace(done, **changes)
    return AnsweredQuestion("a run", Provenance("What rules out lysis?"), done, done)


def test_the_headline_says_what_where_how_large_how_sure_and_to_which_question():
    assert headline(answered(confidence=0.8), IMAGE) == {
        "question": "What rules out lysis?",
        "what": "Intracranial haemorrhage",
        "facts": ["at mid-height on the left of the image", "22 × 11 px"],
        "confidence": "high",
        "found": True,
        "said": "",
    }
    assert headline(answered("It is dark."), IMAGE)["what"] == "Place that answers the question"


@pytest.mark.parametrize(
    "letters, side",
    [
        ("RLAP", "patient's right"),
        ("LRAP", "patient's left"),
        ("APHF", "at mid-height on the left of the image"),
    ],
)
def test_the_side_is_the_patients_where_the_image_says_which_edge_is_which(letters, side):
    loaded = replace(IMAGE, orientation=tuple(letters), spacing_mm=(0.5, 0.5))
    assert headline(answered(), loaded)["facts"] == [side, "11 × 6 mm"]
    middle = answered(grounding=Grounding((40, 40, 62, 60), WHERE.points))
    assert headline(middle, loaded)["facts"][0] == "at the centre of the image"


@pytest.mark.parametrize(
    "chance, word",
    [
        (None, "not known"),
        (0, "low"),
        (0.39, "low"),
        (0.4, "medium"),
        (0.74, "medium"),
        (0.75, "high"),
        (1, "high"),
    ],
)
def test_confidence_is_a_word(chance, word):
    assert confidence_word(chance) == word
    rows = {row["name"]: row for row in detail_rows(answered(confidence=chance), IMAGE)}
    assert rows["Confidence"]["text"] == ("not known" if chance is None else f"{chance:.0%}")


def test_an_absence_has_one_plain_sentence_and_no_size():
    absent = Absent("There is no kidney stone.", "", (100, 100), (), TIMES, None, "a model", "a segmenter")
    answer = AnsweredQuestion("a run", Provenance("What blocks the ureter?"), absent, absent)
    shown = headline(answer, IMAGE)
    assert (shown["what"], shown["facts"], shown["found"]) == ("Not seen in this image", [], False)
    assert "may be wrong" in shown["said"]
    assert line(answer, IMAGE) == {
        "id": "a run",
        "question": "What blocks the ureter?",
        "finding": "Not seen in this image",
    }
    assert [row["name"] for row in detail_rows(answer, IMAGE)] == ["Confidence", "Model"]


def test_sizes_are_in_millimetres_only_where_the_spacing_is_known():
    bare = {row["name"]: row for row in detail_rows(answered(), IMAGE)}
    scaled = {row["name"]: row for row in detail_rows(answered(), replace(IMAGE, spacing_mm=(0.5, 0.25)))}
    assert bare["Box"]["aside"] == "20 × 20 px" and scaled["Box"]["aside"] == "20 × 20 px, 10.0 × 5.0 mm"
    assert bare["Mask"]["text"] == "200 px" and scaled["Mask"]["text"] == "200 px, 25.0 mm²"
    assert bare["Axes"]["text"].endswith("px") and scaled["Axes"]["text"].endswith("mm")
    assert "Overlap" not in bare and "Coordinates" not in bare

"""Coordinates in a reasoning are found where they stand, in pixels of the image; nothing else is.

python -m pytest tests/text/test_mentions.py
"""

from dataclasses import replace

import pytest

from medreasoner.answer import Answer, render
from medreasoner.geometry import INPUT_PIXELS, THOUSAND, THOUSAND_YX
from medreasoner.page import answer_view
from medreasoner.pipeline import ground
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from medreasoner.text.mentions import find_mentions
from tests.recorded_page import Oval, scan

SIZE = (400, 200)


def said(text: str, frame=INPUT_PIXELS, input_wh=SIZE) -> list[tuple[str, tuple[float, ...]]]:
    found = find_mentions(text, frame, SIZE, input_wh)
    return [
        (text[each.start : each.end], tuple(round(v, 6) for v in each.box or each.point)) for each in found
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The box [120, 45, 300, 190] fits.", [("[120, 45, 300, 190]", (120, 45, 300, 190))]),
        ("from (1.5,2,30,40) on", [("(1.5,2,30,40)", (1.5, 2, 30, 40))]),
        ("[[120, 45, 300, 190]]", [("[120, 45, 300, 190]", (120, 45, 300, 190))]),
        ("near (120, 45) and [130, 50].", [("(120, 45)", (120, 45)), ("[130, 50]", (130, 50))]),
        ("at x=120, y=45", [("x=120, y=45", (120, 45))]),
        ("at x: 120 and y: 45.", [("x: 120 and y: 45", (120, 45))]),
        ("It spans x 120 to 300.", [("x 120 to 300", (120, 0, 300, 200))]),
        ("rows y from 45 to 90", [("y from 45 to 90", (0, 45, 400, 90))]),
        ("X 120 – 300, Y 45-90", [("X 120 – 300, Y 45-90", (120, 45, 300, 90))]),
        (
            "y between 45 and 90, and x between 120 and 300",
            [("y between 45 and 90, and x between 120 and 300", (120, 45, 300, 90))],
        ),
        ("x in [120, 300]", [("x in [120, 300]", (120, 0, 300, 200))]),
        (
            "x 10 to 20 here, while y 30 to 40",
            [("x 10 to 20", (10, 0, 20, 200)), ("y 30 to 40", (0, 30, 400, 40))],
        ),
        ("the 🫀 at (7, 8)", [("(7, 8)", (7, 8))]),
    ],
)
def test_coordinates_are_found_in_their_usual_forms(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "two of (3, 4, 5) and (6)",
        "about 2 x 3 to 4 cm in size",
        "x 3 to 4 cm",
        "an axis of 12 to 30, no name",
        "outside at (500, 45), [120, 45, 300, 210] and (-3, 4)",
        "nothing in [50, 60, 50, 90] nor [90, 60, 50, 90]",
        "x-ray of 1999, 2 views; max 10 to 20",
        "",
    ],
)
def test_what_names_no_place_in_the_image_is_left_alone(text):
    assert said(text) == []


def test_numbers_are_read_in_the_frame_of_the_model_and_named_ones_by_their_names():
    text = "[100, 500, 200, 750] and (100, 500), x 250, y 500"
    assert [place for _, place in said(text, THOUSAND)] == [(40, 100, 80, 150), (40, 100), (100, 100)]
    assert [place for _, place in said(text, THOUSAND_YX)] == [(200, 20, 300, 40), (200, 20), (100, 100)]
    assert said("[120, 45, 300, 190]", INPUT_PIXELS, (800, 800)) == [
        ("[120, 45, 300, 190]", (60, 11.25, 150, 47.5))
    ]


def test_a_run_tells_in_which_frame_its_model_writes_and_the_page_lights_what_its_reasoning_names():
    image, question = scan(400, 200), "Where?"
    text = render(
        Answer(
            (100, 100, 300, 400),
            ((200, 200), (210, 210)),
            think="Here: [100, 500, 200, 750], below (500, 500).",
        )
    )
    run = {
        "image_sha256": image_key(image),
        "question": question,
        "think": True,
        "pieces": [text],
        "model": "tests",
    }
    reasoner = ReplayReasoner([{**run, "frame": THOUSAND.name, "input_wh": [640, 320]}])
    *_, done = ground(image, question, reasoner, Oval())
    assert (done.frame, done.input_wh) == (THOUSAND, (640, 320))
    box, point = answer_view.places(done)
    assert (done.think[box["start"] : box["end"]], box["box"]) == ("[100, 500, 200, 750]", [40, 100, 80, 150])
    x1, y1, x2, y2 = point["box"]
    assert ((x1 + x2) / 2, (y1 + y2) / 2) == (200, 100)
    assert answer_view.places(replace(done, frame=None, input_wh=None)) == [], (
        "of a recording the frame is not known"
    )

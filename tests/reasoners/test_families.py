"""Families: every line has a source, and a perfect answer in a family's own convention is a perfect score at
any image size.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medreasoner.answer import Answer, parse, render
from medreasoner.geometry import Grounding, from_image, to_image
from medreasoner.metrics import box_iou
from medreasoner.prompts import misfit, prompt_for
from medreasoner.reasoners.dialects import DIALECTS, in_our_format
from medreasoner.reasoners.families import FAMILIES, UPSTREAM_RAW, family_of

# how each dialect writes a box, and two points where it has a place for them
WRITERS = {
    "json": lambda b, p: (
        f'```json\n[{{"bbox_2d": [{b}], "point_2d": [[{p[0]}], [{p[1]}]], "label": "it"}}]\n```'
    ),
    "internvl": lambda b, p: f"<ref>it</ref><box>[[{b}]]</box>",
    "qwen2": lambda b, p: "it({},{}),({},{})".format(*b.split(", ")),
    "list": lambda b, p: f"[{b}] ({p[0]}) ({p[1]})",
}


@st.composite
def scenes(draw):
    """An image size, what the model sees of it, and a box with two points in it, in whole pixels."""
    width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
    x1, y1 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    x2, y2 = draw(st.integers(x1 + 1, width)), draw(st.integers(y1 + 1, height))
    input_wh = draw(st.tuples(st.integers(28, 2000), st.integers(28, 2000)))
    return (width, height), input_wh, Grounding((x1, y1, x2, y2), ((x1, y1), (x2, y2)))


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=25, deadline=None)
@given(scene=scenes())
def test_a_perfect_answer_scores_one_at_any_size(name, scene):
    image_wh, input_wh, truth = scene
    family = FAMILIES[name]
    bbox, points = from_image(truth, family.frame, image_wh, input_wh)
    texts = [render(Answer(bbox, points))] + [
        WRITERS[dialect](listed(bbox), [listed(point) for point in points]) for dialect in family.dialect
    ]
    for text in texts:
        answer = parse("".join(in_our_format(iter([text]), family.dialect))).answer
        assert box_iou(
            to_image(answer.bbox, answer.points, family.frame, image_wh, input_wh).box, truth.box
        ) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=25, deadline=None)
@given(scene=scenes())
def test_whole_numbers_cost_no_more_than_their_rounding(name, scene):
    image_wh, input_wh, truth = scene
    frame = FAMILIES[name].frame
    bbox, points = from_image(truth, frame, image_wh, input_wh)
    rounded = to_image([round(v) for v in bbox], points, frame, image_wh, input_wh).box
    least = 1.0
    for near, far in ((bbox[0], bbox[2]), (bbox[1], bbox[3])):  # each edge moves by half a unit at most
        least *= max(0.0, (far - near - 1) / (far - near + 1))
    assert box_iou(rounded, truth.box) >= least - 1e-6


def listed(values) -> str:
    return ", ".join(f"{v:.9f}" for v in values)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_line_says_where_it_is_from_and_names_dialects_that_exist(name):
    family = FAMILIES[name]
    assert len(family.source) > 20
    assert set(family.dialect) <= set(DIALECTS) and family.dialect


@pytest.mark.parametrize("name", FAMILIES)
def test_the_prompt_asks_for_the_familys_own_order(name):
    frame = FAMILIES[name].frame
    for text in (prompt_for(frame).think, prompt_for(frame).direct):
        assert ("[y_min, x_min, y_max, x_max]" in text) == ("[y, x]" in text) == (frame.axes == "yx")
    assert misfit(prompt_for(frame), frame) is None
    others = [other.frame for other in FAMILIES.values() if other.frame != frame]
    assert all(misfit(prompt_for(frame), other) for other in others)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen2.5-VL-72B-Instruct", "qwen2_5_vl"),
        ("lingshu-medical-mllm/Lingshu-7B", "qwen2_5_vl"),
        ("FreedomIntelligence/HuatuoGPT-Vision-7B-Qwen2.5VL", "qwen2_5_vl"),
        ("HuatuoGPT-Vision-7B", None),  # the older one is another architecture
        ("Qwen/Qwen2-VL-2B-Instruct", "qwen2_vl"),
        ("JZPeterPan/MedVLM-R1", "qwen2_vl"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3_vl"),
        ("OpenGVLab/InternVL3-78B", "internvl"),
        ("google/medgemma-1.5-4b-it", "gemma3"),
        ("models/gemini-2.5-flash", "gemini"),
        ("gpt-4o-2024-08-06", "gpt"),
        ("nobody/knows", None),
    ],
)
def test_served_models_are_known_by_the_beginning_of_their_name(model, family):
    assert family_of(model) == family


def test_upstream_raw_takes_numbers_as_pixels_of_840_whatever_was_meant():
    truth = Grounding((100, 200, 300, 400), ((150, 250), (200, 300)))
    bbox, points = from_image(truth, FAMILIES["internvl"].frame, (840, 840))
    raw = to_image(bbox, points, UPSTREAM_RAW, (840, 840))
    assert raw.box == bbox and box_iou(raw.box, truth.box) < 0.5, "what the missing conversion costs"
    pixels, points = from_image(truth, FAMILIES["qwen2_5_vl"].frame, (840, 840), (840, 840))
    assert to_image(pixels, points, UPSTREAM_RAW, (840, 840)) == truth, (
        "a model that sees 840 x 840 pixels loses nothing"
    )

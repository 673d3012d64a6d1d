"""Every architecture of the published table loads and answers, one by one and in batches, with tiny random
weights of the real classes.

python -m pytest tests/reasoners/test_architectures.py
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medreasoner.answer import Answer, parse, render
from medreasoner.evaluation.adapters import NoSegmenter
from medreasoner.events import Done
from medreasoner.geometry import Grounding
from medreasoner.pipeline import ground
from medreasoner.reasoners.base import BatchReasoner
from medreasoner.reasoners.families import FAMILIES
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.reasoners.sam3 import Sam3Reasoner
from tests import tiny, tiny_families

SCRIPT = render(Answer((100, 200, 300, 400), ((150, 250), (200, 300)), think="It is left of the middle."))
BUILDERS = {
    "qwen2_vl": tiny_families.qwen2_vl,
    "qwen2_5_vl": tiny.qwen2_5_vl,
    "qwen3_vl": tiny.qwen3_vl,
    "internvl": tiny_families.internvl,
    "gemma3": tiny_families.gemma3,
    "llava": tiny_families.llava,
}
# a box in image pixels (300 x 200) for the script's numbers: pixels of the 112 x 112 input, 0..1000, and
# 0..1000 with y first
BOXES = {"qwen2_5_vl": None, "gemma3": (60, 20, 120, 60)}


def picture(width: int = 300, height: int = 200, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.fixture(scope="module")
def scripted(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("scripted")
    return {name: build(root / name, SCRIPT) for name, build in BUILDERS.items()}


@pytest.mark.parametrize("family", BUILDERS)
def test_each_architecture_loads_answers_and_is_read_in_its_own_frame(scripted, family):
    reasoner = load_reasoner(scripted[family], device="cpu")
    assert reasoner.frame == FAMILIES[family].frame
    *_, last = ground(picture(), "Where?", reasoner, NoSegmenter())
    if family == "qwen2_5_vl":  # the script's numbers lie outside the 112 pixels that this tiny one sees
        assert last.reason == "empty box"
        return
    assert isinstance(last, Done) and last.answer_text == SCRIPT
    assert last.grounding.box == pytest.approx(BOXES.get(family, (30, 40, 90, 80)))


@pytest.mark.parametrize("family", BUILDERS)
def test_a_batch_says_what_each_question_would_get_alone(tmp_path, family):
    torch.manual_seed(0)
    folder = BUILDERS[family](tmp_path / family)  # random weights: what is said depends on image and question
    reasoner = load_reasoner(folder, device="cpu")
    assert isinstance(reasoner, BatchReasoner)
    reasoner._model.generation_config.max_new_tokens = 8
    encoded = [reasoner.encode(picture(300, 200, 1)), reasoner.encode(picture(120, 200, 2))]
    asked = list(zip(encoded, ("Which?", "Where would fluid collect, if at all?"), strict=True))
    alone = ["".join(reasoner.stream(*one)) for one in asked]
    together = list(reasoner.answer_batch(*zip(*asked, strict=True), at_once=2))
    assert [said.text for said in together] == alone
    assert all(said.seconds > 0 and said.tokens_in > 5 and 0 < said.tokens_out <= 8 for said in together)


def test_a_batch_ends_each_row_with_its_own_answer(scripted):
    reasoner = load_reasoner(scripted["qwen3_vl"], device="cpu")
    encoded = [reasoner.encode(picture(seed=seed)) for seed in range(3)]
    said = list(reasoner.answer_batch(encoded, ["Where?"] * 3, at_once=2))
    assert [one.text for one in said] == [SCRIPT] * 3 and all(one.error is None for one in said)


@pytest.mark.parametrize("family", ["qwen3_vl", "llava"])
def test_a_batch_knows_the_probability_of_the_coordinates_as_a_stream_does(scripted, family):
    reasoner = load_reasoner(scripted[family], device="cpu")
    encoded = [reasoner.encode(picture(300, 200, 1)), reasoner.encode(picture(120, 200, 2))]
    *_, closing = reasoner.stream(encoded[0], "Where?")
    said = list(
        reasoner.answer_batch(encoded, ["Where?", "Where would fluid collect, if at all?"], at_once=2)
    )
    assert closing.certainty.coordinate_probability > 0
    assert [one.certainty.coordinate_probability for one in said] == pytest.approx(
        [closing.certainty.coordinate_probability] * 2, rel=1e-3
    )


def test_the_shared_eye_answers_in_batches_too(tmp_path):
    reasoner = load_reasoner(tiny.embedded(tmp_path / "m", max_new_tokens=8), device="cpu")
    asked = [
        (reasoner.encode(picture(300, 200, seed)), question)
        for seed, question in ((1, "Which?"), (2, "Where would fluid collect?"))
    ]
    alone = ["".join(reasoner.stream(*one)) for one in asked]
    assert [said.text for said in reasoner.answer_batch(*zip(*asked, strict=True), at_once=2)] == alone


def test_a_family_can_be_named_where_the_configuration_says_another(scripted):
    assert load_reasoner(scripted["llava"], device="cpu", family="gemini").frame.axes == "yx"


def test_sam_3_is_asked_in_words_and_answers_with_an_instance_or_none(tmp_path):
    reasoner = load_reasoner(tiny_families.sam3(tmp_path / "sam3"), device="cpu")
    assert isinstance(reasoner, Sam3Reasoner)
    encoded = reasoner.encode(picture())
    question = (
        "Which part explains a cough that does not go away, and where would fluid collect if the heart were "
        "weak? " * 3
    )
    text = "".join(reasoner.stream(encoded, question))
    assert parse(text).answer or text == "No instance of it is likely enough."
    reasoner._model.forward = always(reasoner._model.forward)
    *_, last = ground(picture(), question, reasoner, NoSegmenter())
    assert isinstance(last, Done) and isinstance(last.grounding, Grounding)
    x1, y1, x2, y2 = last.grounding.box
    assert 0 <= x1 < x2 <= 300 and 0 <= y1 < y2 <= 200


def always(forward):
    """The model's forward, sure of its first instance, which fills the left half."""

    def sure(**inputs):
        out = forward(**inputs)
        out.pred_logits[:] = -9.0
        out.pred_logits[:, 0] = 9.0
        if out.presence_logits is not None:
            out.presence_logits[:] = 9.0
        out.pred_boxes[:, 0] = torch.tensor([0.0, 0.0, 0.5, 1.0])
        return out

    return sure

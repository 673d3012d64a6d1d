"""The pair that is shipped: it loads without a network, fits its size, and answers on real images it was not
trained on.
"""

import json
from pathlib import Path

import pytest
from PIL import Image

from medreasoner.answer import parse
from medreasoner.data.absence import texts
from medreasoner.events import Absent, Done, Located, Segmented, Thinking
from medreasoner.manifest import EMBEDDED_FOLDER
from medreasoner.text.places import place_agrees

EXAMPLES = Path(__file__).parents[1] / "medreasoner" / "examples"
LISTED = json.loads((EXAMPLES / "examples.json").read_text(encoding="utf-8"))


pytestmark = pytest.mark.slow


def test_the_weights_fit_the_repository():
    sizes = [path.stat().st_size for path in EMBEDDED_FOLDER.rglob("*.safetensors")]
    assert sum(sizes) <= 110e6 and max(sizes) < 50e6


@pytest.mark.parametrize("example", LISTED, ids=lambda example: example["image"])
def test_every_example_ends_with_a_mask_and_reasoning_that_agrees_with_the_box(embedded, example):
    done = embedded.ground(EXAMPLES / example["image"], example["question"])
    size = Image.open(EXAMPLES / example["image"]).size
    assert parse(done.answer_text).reason is None
    assert done.image_wh == size and done.mask.shape == (size[1], size[0]) and done.mask.any()
    assert place_agrees(done.think, done.grounding.box, done.image_wh) is True
    left, top, right, bottom = done.grounding.box
    inside = done.mask[int(top) : int(bottom) + 1, int(left) : int(right) + 1].sum()
    assert inside > 0.5 * done.mask.sum(), "most of the mask lies outside the box that asked for it"


def test_the_events_come_in_order_and_token_by_token(embedded):
    events = list(embedded.stream(EXAMPLES / LISTED[0]["image"], LISTED[0]["question"]))
    kinds = [type(event) for event in events]
    assert kinds[-3:] == [Located, Segmented, Done] and set(kinds[:-3]) == {Thinking} and len(kinds) > 20
    assert "".join(event.text for event in events[:-3]).strip() == events[-1].think


def test_an_answer_without_thinking_aloud_can_be_had(embedded):
    """Most answers of an earlier state of the pair reasoned when they were not asked to."""
    for example in LISTED[:4]:
        events = list(embedded.stream(EXAMPLES / example["image"], example["question"], think=False))
        assert isinstance(events[-1], Done | Absent) and events[-1].think == "", example["image"]


def test_a_pair_is_shown_whole_where_the_question_is_in_the_plural(embedded):
    name = next(example["image"] for example in LISTED if example["modality"] == "X-ray")
    width = Image.open(EXAMPLES / name).width
    left, _, right, _ = embedded.ground(EXAMPLES / name, "Mark both lungs.").grounding.box
    assert left < 0.35 * width and right > 0.65 * width
    left, _, right, _ = embedded.ground(
        EXAMPLES / name, "Outline the lung on the left of the image."
    ).grounding.box
    assert right - left < 0.5 * width


def test_the_side_that_is_asked_for_is_the_side_that_is_shown(embedded):
    name = next(example["image"] for example in LISTED if example["modality"] == "X-ray")
    width = Image.open(EXAMPLES / name).width
    left = embedded.ground(
        EXAMPLES / name, "Which organ fills with air on the left side of this image?"
    ).grounding.box
    right = embedded.ground(
        EXAMPLES / name, "Which organ fills with air on the right side of this image?"
    ).grounding.box
    assert (left[0] + left[2]) / 2 < width / 2 < (right[0] + right[2]) / 2


def test_the_image_matters(embedded):
    """The same question on two images: a model that never looks would give one answer."""
    question = "What on this would you want to look at more closely?"
    answers = [embedded.ground(EXAMPLES / example["image"], question) for example in LISTED[:4]]
    boxes = [each.grounding.box for each in answers if each.found]
    assert len(boxes) >= 2 and len(set(boxes)) == len(boxes)


def test_a_refusal_of_what_asks_for_nothing_is_a_whole_sentence_of_training(embedded):
    """Not the beginning of one, that then goes on to find something."""
    explanations = {each for listed in texts()["explanations"].values() for each in listed}
    skins = sorted(EXAMPLES.glob("isic2017_*.jpg"))
    for question in ("What made the hairdresser tell him to see a doctor?", "Hello", "Tell me a joke"):
        answers = [embedded.ground(image, question) for image in skins]
        told = [each.think for each in answers if not each.found and each.think.startswith("This ")]
        assert told and set(told) <= explanations, question

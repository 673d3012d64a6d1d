"""Every row of the published table can be run: its name leads to a family, and, served on loopback by the
OpenAI protocol, it gets the prompt, the size and the reading of its numbers that this family has.

    python -m pytest tests/reasoners/test_table.py
"""

import base64
import io
import json

import pytest
from PIL import Image
from transformers import CONFIG_MAPPING, MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from medreasoner.answer import parse
from medreasoner.evaluation.adapters import CachingReasoner, NoSegmenter
from medreasoner.evaluation.report.published import TABLE as PUBLISHED
from medreasoner.events import Done
from medreasoner.geometry import Grounding, from_image
from medreasoner.metrics import box_iou
from medreasoner.pipeline import ground
from medreasoner.prompts import coordinates
from medreasoner.reasoners.families import FAMILIES, UPSTREAM_RAW, family_of
from medreasoner.reasoners.registry import SAM3, load_reasoner
from tests.reasoners.published_table import TABLE
from tests.reasoners.test_families import WRITERS
from tests.reasoners.test_openai_server import Server, picture, server  # noqa: F401 (the fixture)

SERVABLE = [name for name in TABLE if name != "SAM 3"]  # which has no language model
TRUTH = Grounding((60, 20, 120, 60), ((90, 40), (100, 50)))  # of an image of 300 x 200


def asked(server: Server) -> tuple[str, tuple[int, int]]:  # noqa: F811
    """Prompt and image size of the latest request."""
    image, text = server.requests[-1]["messages"][-1]["content"]
    return text["text"], Image.open(
        io.BytesIO(base64.b64decode(image["image_url"]["url"].split(",")[1]))
    ).size


def test_the_table_holds_every_published_row():
    rows = [
        f"{name} {size or ''}".strip()
        for name, size, *_ in json.loads(PUBLISHED.read_text(encoding="utf-8"))["rows"]
    ]
    assert len(rows) == 16 and set(rows) <= set(TABLE)


@pytest.mark.parametrize("name", SERVABLE)
def test_a_row_gets_its_familys_prompt_size_and_reading(server, name):  # noqa: F811
    family = FAMILIES[family_of(TABLE[name].model)]
    crm = load_reasoner(f"openai:{TABLE[name].model}@{server.url}")
    input_wh = crm.encode(picture()).input_wh
    bbox, points = from_image(TRUTH, family.frame, (300, 200), input_wh)
    for dialect in family.dialect:
        box, pair = (
            ", ".join(f"{v:.3f}" for v in bbox),
            [", ".join(f"{v:.3f}" for v in point) for point in points],
        )
        server.plan = [f"<think>It is bright.</think>{WRITERS[dialect](box, pair)}"]
        *_, last = ground(picture(), "Where would fluid collect?", crm, NoSegmenter())
        assert isinstance(last, Done) and box_iou(last.grounding.box, TRUTH.box) > 0.99, dialect
        assert parse(last.answer_text).think == "It is bright."
    prompt, size = asked(server)
    assert (
        size == input_wh
        and coordinates(family.frame) in prompt
        and server.requests[-1]["model"] == TABLE[name].model
    )
    assert ("[y_min, x_min, y_max, x_max]" in prompt) == (family.frame.axes == "yx")
    *_, raw = ground(
        picture(), "Where would fluid collect?", CachingReasoner(crm, UPSTREAM_RAW), NoSegmenter()
    )
    assert (
        not isinstance(raw, Done) or box_iou(raw.grounding.box, TRUTH.box) < 0.9 or family.frame.limit is None
    ), "unconverted"


@pytest.mark.parametrize("name", [name for name in TABLE if not TABLE[name].served])
def test_a_row_that_is_not_served_has_its_class_in_transformers(name):
    family = "sam3" if name == "SAM 3" else family_of(TABLE[name].model)
    kind = CONFIG_MAPPING[family]
    assert kind in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING or family in SAM3

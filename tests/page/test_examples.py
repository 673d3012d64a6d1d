"""The examples on the page."""

import json

import numpy as np
import pytest
from PIL import Image

from medreasoner.geometry import Grounding
from medreasoner.imaging import ImageError, load_image
from medreasoner.page.details import truth_row
from medreasoner.page.examples import load_examples
from medreasoner.page.session import Session

WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


def test_examples_come_with_their_image_and_credit(image_file):
    listing = [
        {"image": "scan.png", "question": "Where?", "modality": "CT", "source": "A set", "licence": "CC0"}
    ]
    (image_file.parent / "examples.json").write_text(json.dumps(listing))
    [example] = load_examples(image_file.parent)
    assert (example.image, example.credit) == (image_file, "CT, A set, CC0")


def test_a_folder_without_examples_has_none(tmp_path):
    assert load_examples(tmp_path) == []


def test_an_example_that_lacks_a_key_is_named(tmp_path):
    (tmp_path / "examples.json").write_text(json.dumps([{"image": "a.png", "question": "Where?"}]))
    with pytest.raises(ValueError, match="entry 0: expected the keys"):
        load_examples(tmp_path)


def test_an_example_without_its_image_is_named(tmp_path):
    entry = dict.fromkeys(["question", "modality", "source", "licence"], "x") | {"image": "gone.png"}
    (tmp_path / "examples.json").write_text(json.dumps([entry]))
    with pytest.raises(ValueError, match="there is no image .*gone.png"):
        load_examples(tmp_path)


def test_an_example_may_come_with_its_mask(image_file, tmp_path):
    mask = np.zeros((240, 320), np.uint8)
    mask[20:80, 10:50] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.open(image_file).save(tmp_path / "scan.png")
    entry = {
        "image": "scan.png",
        "question": "Where?",
        "modality": "CT",
        "source": "A set",
        "licence": "CC0",
        "mask": "mask.png",
    }
    (tmp_path / "examples.json").write_text(json.dumps([entry]))
    [example] = load_examples(tmp_path)
    session = Session.of_example(example)
    assert np.array_equal(session.truth, mask > 0)
    row = truth_row(session.truth, WHERE, session.truth)
    assert (row["name"], row["text"], row["truth"]) == ("Expert outline", "Dice 1.00, IoU 1.00", True)
    Image.new("L", (9, 9)).save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match="9 x 9 pixels, its image 320 x 240"):
        Session.of_example(example)


def test_the_examples_that_come_along_can_be_opened():
    for example in load_examples():
        assert load_image(example.image).image.mode == "RGB"
        assert all([example.question, example.modality, example.source, example.licence])

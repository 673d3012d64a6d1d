"""Fifty visitors at once, each with an image and a question of their own: every one gets the answer to theirs.

python -m pytest tests/page/test_many_visitors.py
"""

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.page_visit import Visitor
from medreasoner.answer import Answer, render
from medreasoner.geometry import THOUSAND
from medreasoner.imaging import load_image
from medreasoner.model import MedReasoner
from medreasoner.page.page import Page
from medreasoner.page.serve import launch
from medreasoner.reasoners.replay import ReplayReasoner, image_key
from tests.evaluation.fakes import BoxFiller

VISITORS = 50
WIDTH, HEIGHT = 100, 50


def box_of(number: int) -> tuple[int, int, int, int]:
    """In thousandths of the sides; another one for each visitor."""
    return 10 * number, 100, 10 * number + 300, 600


def question_of(number: int) -> str:
    return f"What does visitor {number} look for?"


def recorded(number: int, path: Path) -> dict:
    x1, y1, x2, y2 = box_of(number)
    answer = Answer(box_of(number), ((x1 + 50, y1 + 50), (x2 - 50, y2 - 50)), think=f"Of visitor {number}.")
    return {
        "image_sha256": image_key(load_image(path).image),
        "question": question_of(number),
        "think": True,
        "pieces": [*render(answer)],
        "model": "recorded",
        "frame": THOUSAND.name,
        "input_wh": [WIDTH, HEIGHT],
    }


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    paths = [folder / f"image-{number}.png" for number in range(VISITORS)]
    for number, path in enumerate(paths):
        noise = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        Image.fromarray(noise).save(path)
    return paths


@pytest.fixture(scope="module")
def address(images) -> str:
    runs = [recorded(number, path) for number, path in enumerate(images)]
    page = Page(MedReasoner(ReplayReasoner(runs), BoxFiller()), [])
    yield launch(page).rstrip("/")
    page.demo.close()


def test_fifty_visitors_at_once_get_their_own_answers(address, images):
    together = threading.Barrier(VISITORS)

    def visit(number: int) -> dict:
        with Visitor(address) as visitor:
            opened = visitor.open(images[number])
            assert opened["phase"] == "ready", opened
            together.wait()
            said = visitor.ask(question_of(number))
            assert said["phase"] == "done", said
            fetched, _ = visitor.call("download", [None], {"kind": "grounding.json"})
            file = fetched["file"]
            assert file["name"].startswith(f"image-{number}-")
            return json.loads(base64.b64decode(file["url"].split(",", 1)[1]))

    with ThreadPoolExecutor(VISITORS) as pool:
        answers = list(pool.map(visit, range(VISITORS)))
    for number, answer in enumerate(answers):
        x1, y1, x2, y2 = box_of(number)
        assert answer["question"] == question_of(number) and answer["think"] == f"Of visitor {number}."
        assert answer["box_xyxy"] == pytest.approx([x1 / 10, y1 / 20, x2 / 10, y2 / 20])


def test_visitors_who_send_the_same_file_do_not_take_it_from_each_other(address, images):
    """A file is deleted as soon as it was read; the other visitor's must still be there."""
    with Visitor(address) as first, Visitor(address) as second:
        theirs, ours = first.upload(images[0]), second.upload(images[0])
        assert first.call("open_files", [[theirs], None, {"image": ""}])[0]["phase"] == "ready"
        assert second.call("open_files", [[ours], None, {"image": ""}])[0]["phase"] == "ready"


def test_a_file_that_is_gone_is_told_without_the_servers_folders(address, images):
    with Visitor(address) as visitor:
        upload = visitor.upload(images[0])
        visitor.call("open_files", [[upload], None, {"image": ""}])
        said = visitor.call("open_files", [[upload], None, {"image": ""}])[0]
    assert said["warning"] and "image-0.png" in said["text"]
    assert str(Path(upload["path"]).parent) not in said["text"]

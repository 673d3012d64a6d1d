"""The parts of the page that need no browser: what is shown, the outline, the examples, stopping, the endpoint, starting up."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

import app
from medreasoner.events import Event, Failed, Thinking
from medreasoner.geometry import Grounding
from medreasoner.images import load_image
from page import views
from page.examples import load_examples
from page.outline import outline
from tests import tiny

ROOT = Path(app.__file__).parent
WHERE = Grounding((10.4, 20, 50, 80), ((20, 30), (40, 60)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model folder as a real one, that always says the same."""
    return tiny.embedded(tmp_path_factory.mktemp("model"), script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def image_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("image") / "scan.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (240, 320), dtype=np.uint8)).save(path)
    return path


# The outline


def filled(path: str, height: int, width: int) -> np.ndarray:
    """The pixels an even-odd fill of `path` covers: those with an odd number of vertical edges to their left."""
    crossings = np.zeros((height, width + 1), dtype=int)
    x = y = 0
    for command, numbers in re.findall(r"([Mhvz])([^Mhvz]*)", path):
        values = [int(number) for number in numbers.split()]
        if command == "M":
            x, y = start = values
        elif command == "h":
            x += values[0]
        else:
            to = start[1] if command == "z" else y + values[0]
            crossings[min(y, to) : max(y, to), x] += 1
            y = to
    return np.cumsum(crossings, axis=1)[:, :width] % 2 == 1


@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_the_outline_filled_even_odd_is_exactly_the_mask(mask):
    assert np.array_equal(filled(outline(mask), *mask.shape), mask)


def test_the_outline_of_a_rectangle_is_four_corners():
    mask = np.zeros((10, 10), dtype=bool)
    mask[2:6, 3:9] = True
    assert outline(mask) == "M3 2h6v4h-6z"


# What is shown


def test_the_picture_keeps_grey_pixels_exactly_and_a_large_one_is_made_smaller(image_file):
    shown = views.picture(load_image(image_file), "CC0")
    assert shown["src"].startswith("data:image/png") and (shown["width"], shown["height"]) == (320, 240)
    assert shown["caption"] == ["320 × 240 px", "CC0"]
    large = views.picture(load_image(np.zeros((3000, 5000), np.uint8)))
    with_size = views.data_url(Image.new("RGB", (5000, 3000)))
    assert (large["width"], large["height"]) == (5000, 3000) and large["src"] == with_size


def test_sizes_are_in_millimetres_only_where_the_spacing_is_known():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 10:50] = True
    bare, scaled = views.answer(WHERE, None, mask, 0.5), views.answer(WHERE, (0.5, 0.25), mask, 0.5)
    assert [row["aside"] for row in bare] == ["40 × 60 px", "", "24.0% of the image", "the segmenter's own estimate of its IoU"]
    assert scaled[0]["aside"] == "40 × 60 px, 20.0 × 15.0 mm"
    assert scaled[2]["text"] == "2,400 px, 300.0 mm²"


@pytest.mark.parametrize(
    "reason, phase, shows_text",
    [("not JSON", "malformed", True), ("empty box", "malformed", True), ("model", "error", False), ("question", "error", False)],
)
def test_only_an_answer_at_fault_is_shown_as_one(reason, phase, shows_text):
    failed = Failed(reason, "What went wrong.", "seen", "<think>seen</think><answer>[1</answer>")
    status, reading = views.failure(failed, "seen", [])
    assert status["phase"] == phase
    assert bool(reading["written"]) == shows_text
    assert "What went wrong." in (status["text"], reading["problem"])
    assert "seen" not in reading["written"]


def test_events_carry_their_pixels_into_plain_values_that_json_can_write():
    mask = np.ones((4, 4), dtype=bool)
    json.dumps([views.layers(WHERE, mask), views.answer(WHERE, None, mask, 0.5), views.reading("so"), views.status("done")])


# Examples


def test_examples_come_with_their_image_and_credit(image_file):
    listing = [{"image": "scan.png", "question": "Where?", "modality": "CT", "source": "A set", "licence": "CC0"}]
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


def test_the_examples_that_come_along_can_be_opened():
    for example in load_examples(ROOT / "examples"):
        assert load_image(example.image).image.mode == "RGB"
        assert all([example.question, example.modality, example.source, example.licence])


# Stopping


class Endless:
    """A model that speaks until it is told to stop."""

    def __init__(self) -> None:
        self.stop: threading.Event | None = None
        self.closed = threading.Event()

    def stream(self, image: Image.Image, question: str, think: bool = True, stop: threading.Event | None = None) -> Iterator[Event]:
        self.stop = stop
        try:
            while True:
                yield Thinking("word ")
        finally:
            assert stop.is_set(), "the run was closed before it was told to stop"
            self.closed.set()


def test_closing_a_run_tells_the_model_to_stop_first():
    model = Endless()
    page = app.Page(model, [])
    run = page.on_ask(load_image(np.zeros((32, 32), np.uint8)), "Where?")
    for _ in range(3):
        next(run)
    assert not model.stop.is_set()
    run.close()
    assert model.stop.is_set()
    assert model.closed.wait(timeout=5)


# The endpoint and the start


@pytest.fixture(scope="module")
def client(folder) -> Iterator[Client]:
    """`python app.py`, as a user starts it."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("GRADIO_SERVER_PORT", None)
    server = subprocess.Popen(
        [sys.executable, "app.py", "--model", str(folder), "--device", "cpu"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    address = next((found for line in server.stdout if (found := re.search(r"http://\S+", line))), None)
    assert address, f"app.py ended with exit code {server.wait(timeout=10)} before it served anything"
    yield Client(address.group(), verbose=False, analytics_enabled=False)
    server.terminate()
    server.wait(timeout=20)
    server.stdout.close()


def test_the_endpoint_gives_what_grounding_json_holds_and_the_mask(client, image_file):
    grounding, mask = client.predict(handle_file(image_file), "What is bright?", api_name="/ground")
    assert set(grounding) == {
        *("think", "box_xyxy", "points_xy", "image_wh", "mask", "mask_score", "model", "segmenter", "timings_s", "answer_text", "notice")
    }
    assert grounding["think"] == tiny.THOUGHT
    assert grounding["image_wh"] == [320, 240]
    assert grounding["notice"] == "Research use only. Not for diagnosis."
    assert Image.open(mask).size == (320, 240)


def test_the_endpoint_answers_bad_input_with_one_sentence(client, image_file, tmp_path):
    bad = tmp_path / "letter.png"
    bad.write_text("Dear colleague")
    with pytest.raises(AppError, match="cannot be read as an image"):
        client.predict(handle_file(bad), "What is bright?", api_name="/ground")
    with pytest.raises(AppError, match="The question is empty"):
        client.predict(handle_file(image_file), " ", api_name="/ground")


def test_only_the_endpoint_is_offered_to_programs(client):
    assert list(client.view_api(return_format="dict", print_info=False)["named_endpoints"]) == ["/ground"]


def test_a_wrong_model_ends_with_one_sentence_and_exit_code_2(tmp_path):
    command = [sys.executable, "app.py", "--model", str(tmp_path / "nowhere")]
    run = subprocess.run(command, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1 and str(tmp_path) in run.stderr

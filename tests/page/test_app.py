"""The parts of the page that need no browser: what is shown, the outline, the examples, stopping, the endpoint, starting up."""

import asyncio
import base64
import importlib.util
import json
import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from medreasoner.events import Done, Event, Failed, Thinking
from medreasoner.geometry import Grounding
from medreasoner.imaging import ImageError, load_image
from medreasoner.model import MedReasoner
from medreasoner.output.files import Provenance
from medreasoner.page import files, gpu, views
from medreasoner.page.examples import load_examples
from medreasoner.page.more import both_values
from medreasoner.page.recorded import load_recordings, record
from medreasoner.page.run import refined_values, run_values
from medreasoner.page.session import Session
from medreasoner.reasoners.replay import image_key
from medreasoner.sampling import Sampled
from medreasoner.text.places import HEIGHTS, SIDES, place_phrase, place_words
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


# What is shown


def test_the_picture_keeps_grey_pixels_exactly_and_a_large_one_is_made_smaller(image_file):
    shown = views.picture(load_image(image_file), "CC0")
    assert shown["src"].startswith("data:image/png") and (shown["width"], shown["height"]) == (320, 240)
    assert shown["caption"] == ["320 × 240 px", "CC0"]
    large = views.picture(load_image(np.zeros((3000, 5000), np.uint8)))
    with_size = views.shown_url(Image.new("RGB", (5000, 3000)))
    assert (large["width"], large["height"]) == (5000, 3000) and large["src"] == with_size


def test_sizes_are_in_millimetres_only_where_the_spacing_is_known():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 10:50] = True
    bare, scaled = views.answer(WHERE, None, mask, 0.5), views.answer(WHERE, (0.5, 0.25), mask, 0.5, 0.0374)
    assert [row["aside"] for row in bare] == [
        "40 × 60 px",
        "",
        "24.0% of the image",
        "the segmenter's own estimate of its IoU",
    ]
    assert (scaled[4]["text"], scaled[4]["aside"]) == ("probability 0.037", "geometric mean, uncalibrated")
    assert scaled[0]["aside"] == "40 × 60 px, 20.0 × 15.0 mm"
    assert scaled[2]["text"] == "2,400 px, 300.0 mm²"


@pytest.mark.parametrize(
    "reason, phase, shows_text",
    [
        ("not JSON", "malformed", True),
        ("empty box", "malformed", True),
        ("model", "error", False),
        ("question", "error", False),
    ],
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
    drawn = views.layers(WHERE, (4, 4), mask, [(1.0, 2.0, True)])
    json.dumps(
        [
            drawn,
            views.answer(WHERE, None, mask, 0.5),
            views.against(mask, WHERE, mask),
            views.reading("so"),
            views.status("done"),
        ]
    )
    assert drawn["clicks"] == [[1.0, 2.0, True]]


def told(think: str, width: int, height: int) -> Done:
    """A run that ended with this reasoning; in which frame the model writes is not known."""
    mask = np.zeros((height, width), dtype=bool)
    return Done(think, "", WHERE, mask, 0.5, (width, height), (), {}, None, "a model", "a segmenter")


def test_place_words_point_to_their_part_of_the_image():
    text = "It lies in the upper right, not at the centre; the lower left is clear."
    found = [
        (text[place["start"] : place["end"]], place["box"]) for place in views.places(told(text, 300, 90))
    ]
    assert found == [("in the upper right", [200, 0, 300, 30]), ("at the centre", [100, 30, 200, 60])]


def test_every_place_phrase_of_the_project_is_found():
    for side in SIDES:
        for height in HEIGHTS:
            phrase = place_phrase(side, height)
            [place] = views.places(told(f"It lies {phrase} of the image.", 300, 300))
            assert place_words(place["box"], (300, 300)) == (side, height)


def test_the_answer_in_words_says_where_and_how_much():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:80, 10:50] = True
    where = "The answer is at mid-height on the left of the image, mid-sized: a box from 10, 20 to 50, 80"
    assert views.spoken(WHERE, (100, 100)) == f"{where}."
    assert views.spoken(WHERE, (100, 100), mask) == f"{where}, and a mask that covers 24.0% of the image."


# Examples


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
    row = views.against(session.truth, WHERE, session.truth)
    assert (row["name"], row["text"], row["truth"]) == ("Truth", "Dice 1.00, IoU 1.00", True)
    Image.new("L", (9, 9)).save(tmp_path / "mask.png")
    with pytest.raises(ImageError, match="9 x 9 pixels, its image 320 x 240"):
        Session.of_example(example)


def test_the_examples_that_come_along_can_be_opened():
    for example in load_examples(ROOT / "examples"):
        assert load_image(example.image).image.mode == "RGB"
        assert all([example.question, example.modality, example.source, example.licence])


# Stopping


class Endless:
    """A model that speaks until it is told to stop."""

    name, can_sample = "folder/on/this/machine", True

    def __init__(self) -> None:
        self.stop: threading.Event | None = None
        self.closed = threading.Event()

    def provenance(self, question: str) -> Provenance:
        return Provenance(question)

    def stream(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[Event]:
        self.stop = stop
        try:
            while True:
                yield Thinking("word ")
        finally:
            assert stop.is_set(), "the run was closed before it was told to stop"
            self.closed.set()

    def samples(
        self, image: Image.Image, question: str, stop: threading.Event, cache: object
    ) -> Iterator[Sampled]:
        self.stop = stop
        try:
            while True:
                yield Sampled(WHERE, 0.1)
        finally:
            assert stop.is_set(), "the samples were closed before they were told to stop"
            self.closed.set()


def test_closing_a_run_tells_the_model_to_stop_first():
    model = Endless()
    page = app.Page(model, [])
    run = page.on_ask(Session(load_image(np.zeros((32, 32), np.uint8))), "Where?")
    for _ in range(3):
        next(run)
    assert not model.stop.is_set()
    run.close()
    assert model.stop.is_set()
    assert model.closed.wait(timeout=5)


def test_closing_a_comparison_stops_the_model_that_speaks(model):
    second = Endless()
    page = app.Page(model, [], compare=second)
    session = Session(load_image(np.full((64, 64), 90, np.uint8)))
    run = page.on_compare(session, "What is bright?")
    shown = next(
        update for update in run if page.room.second in update and update[page.room.second].get("think")
    )
    assert shown[page.room.second]["name"] == "this/machine", "a folder's whole path is nobody's business"
    assert session.done is not None and not second.stop.is_set()
    run.close()
    assert second.closed.wait(timeout=5)
    assert page.on_stop(session)[page.room.status] == {"phase": "done", "text": "Stopped"}, (
        "the first answer is there to be corrected"
    )


def test_closing_samples_tells_the_model_to_stop_first(model):
    endless = Endless()
    page, session = app.Page(endless, []), Session(load_image(np.full((64, 64), 90, np.uint8)))
    assert list(page.on_sample(session)) == [], "there is no answer yet"
    session.begin("a run", endless.provenance("What is bright?"))
    session.end(model.ground(session.loaded.image, "What is bright?"))
    samples = page.on_sample(session)
    for _ in range(3):
        shown = next(samples)
    assert (
        shown[page.room.sure]["rows"][0]["text"].endswith("of 2 samples")
        and len(shown[page.room.sure]["boxes"]) == 2
    )
    samples.close()
    assert endless.closed.wait(timeout=5)


def test_samples_are_held_against_the_models_own_answer_also_after_a_correction():
    boxes = [WHERE.box, (0.0, 0.0, 5.0, 5.0), None]
    said = views.sureness(boxes, WHERE.box, 5, 3.25)
    assert [(row["name"], row["text"]) for row in said["rows"]] == [
        ("Agreement", "1 of 3 samples"),
        ("Pairs", "0.00"),
    ]
    assert "1 could not be read" in said["rows"][0]["aside"] and len(said["boxes"]) == 2
    assert (
        "3 came" in said["note"]
        and "temperature 1" in said["note"]
        and "3.2 s" in views.sureness(boxes, WHERE.box, 3, 3.25)["note"]
    )


def test_a_model_that_fails_leaves_the_other_ones_answer(model, image_file):
    session = Session(load_image(image_file))
    refused = iter([{"status": views.status("error", "No GPU."), "second": {"name": "second"}}])
    session.begin("a run", model.provenance("What is bright?"), compared=True)
    heard = list(
        both_values(
            run_values(model.stream(session.loaded.image, "What is bright?"), session),
            (value for value in refused),
        )
    )
    assert heard[-2] == {"second": {"name": "second", "problem": "No GPU."}}
    assert heard[-1]["status"]["phase"] == "done", "the first one is there"
    assert not any(values.get("status", {}).get("phase") == "done" for values in heard[:-1]), (
        "done before the second was asked"
    )


def test_without_a_second_model_the_page_offers_no_comparison(model):
    room = app.Page(model, []).room
    assert room.compare is None and room.second is None and room.sure is not None
    with_second = app.Page(model, [], compare=Endless()).room
    assert with_second.compare.value == "Compare"


class Breaks(Endless):
    """A model with a bug."""

    def stream(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[Event]:
        yield Thinking("word ")
        raise AssertionError("the bug, which this test wants")


def test_a_run_that_was_cancelled_is_never_taken_for_a_breakdown_of_the_next():
    page, session = app.Page(Endless(), []), Session(load_image(np.zeros((32, 32), np.uint8)))
    assert page.on_breakdown(session) == {}  # a new image: the end of a run on the old one came late
    first = page.on_ask(session, "Where?")
    next(first)
    second = page.on_ask(session, "And here?")
    next(second)
    first.close()
    assert page.on_breakdown(session) == {}
    second.close()


def test_a_run_that_broke_is_reported_under_its_own_name():
    page, session = app.Page(Breaks(), []), Session(load_image(np.zeros((32, 32), np.uint8)))
    with pytest.raises(AssertionError):
        list(page.on_ask(session, "Where?"))
    (told,) = page.on_breakdown(session).values()
    assert told["phase"] == "error" and told["run"] == session.run


# A run as the page shows it, and a correction


@pytest.fixture(scope="module")
def model(folder) -> MedReasoner:
    return MedReasoner.from_pretrained(folder, device="cpu")


def test_a_run_leaves_its_end_and_the_embedding_in_the_session_and_a_correction_uses_both(model, image_file):
    session = Session(load_image(image_file), truth=np.ones((240, 320), dtype=bool))
    session.begin("a run", model.provenance("What is bright?"))
    shown = list(
        run_values(model.stream(session.loaded.image, "What is bright?", cache=session.cache), session)
    )
    assert session.done is not None and session.cache.segmenter_encoding is not None
    assert [kind["kind"] for kind in shown[-1]["take"]["kinds"]] == [
        "mask.png",
        "overlay.png",
        "grounding.json",
    ]
    shown_names = [row["name"] for row in shown[-1]["reading"]["rows"]]
    encoded = session.cache.segmenter_encoding
    refined = model.refine(
        session.loaded.image,
        Grounding((40, 30, 200, 180), ((100, 90), (150, 120))),
        [(60, 60, False)],
        session.cache,
    )
    session.correct(refined)
    values = refined_values(session, refined, 3)
    assert session.cache.segmenter_encoding is encoded and values["layers"]["edit"] == 3
    rows = {row["name"]: row["text"] for row in values["reading"]["rows"]}
    assert "Coordinates" in shown_names and "Coordinates" not in rows, (
        "the probability is of the model's own numbers"
    )
    assert (
        rows["Corrected"] == "by hand, 1 excluded"
        and rows["Box"] == "x 40 – 200, y 30 – 180"
        and "Dice" in rows["Truth"]
    )
    facts = json.loads(base64.b64decode(files.make(session, "grounding.json")["url"].partition(",")[2]))
    assert (
        facts["corrected_by_hand"]
        and facts["clicks"] == [[60.0, 60.0, False]]
        and facts["box_xyxy"] == [40, 30, 200, 180]
    )
    with pytest.raises(KeyError):
        files.make(session, "../secret")


def test_whatever_crosses_a_process_border_pickles(model, image_file):
    image = load_image(image_file).image
    events = list(model.stream(image, "What is bright?"))
    refined = model.refine(image, events[-1].grounding, [(60, 60, False)])
    for value in [*events, refined, image, events[-1].grounding]:
        again = pickle.loads(pickle.dumps(value))
        assert type(again) is type(value)
    assert np.array_equal(pickle.loads(pickle.dumps(events[-1])).mask, events[-1].mask)


# ZeroGPU


def test_the_time_asked_of_a_gpu_follows_what_was_measured():
    pace = gpu.Pace(30)
    assert pace.ask("image", "question") == 30
    pace.add(12.2)
    pace.add(4.0)
    assert pace.ask() == 19
    for _ in range(gpu.REMEMBERED):
        pace.add(0.1)
    assert pace.ask() == gpu.LEAST


def test_every_error_title_of_zero_gpu_has_a_sentence_for_visitors():
    zero = Path(importlib.util.find_spec("spaces").origin).parent / "zero"
    source = "".join((zero / name).read_text() for name in ("client.py", "wrappers.py"))
    titles = set(re.findall(r'error\("(ZeroGPU [^"]+)"', source))
    assert len(titles) >= 6
    for title in titles:
        assert gpu.sentence(title, "untold") != "untold", title
    assert gpu.sentence("Error", "The question is empty.") == "The question is empty."


class NoQuota:
    """A model on a machine that gives this visitor no GPU."""

    name, can_sample = "someone/large", True

    def provenance(self, question: str) -> Provenance:
        return Provenance(question)

    def stream(
        self, image: Image.Image, question: str, think: bool, stop: threading.Event, cache: object
    ) -> Iterator[Event]:
        raise gr.Error("You have exceeded your GPU quota", title="ZeroGPU quota exceeded")
        yield

    def samples(
        self, image: Image.Image, question: str, stop: threading.Event, cache: object
    ) -> Iterator[Sampled]:
        raise gr.Error("You have exceeded your GPU quota", title="ZeroGPU quota exceeded")
        yield


def test_without_a_gpu_an_example_plays_from_its_recording_and_says_so(
    model, image_file, tmp_path, monkeypatch
):
    monkeypatch.setattr("medreasoner.page.recorded.PACE", 0)
    loaded = load_image(image_file)
    path = tmp_path / "recorded.json"
    path.write_text(
        json.dumps([record(model.stream(loaded.image, "What is bright?"), loaded.image, "What is bright?")])
    )
    page = app.Page(NoQuota(), [], load_recordings(path))
    session = Session(loaded)
    shown = list(page.on_ask(session, "What is bright?"))
    reading = shown[-1][page.room.reading]
    assert reading["think"] == tiny.THOUGHT and "This is a recorded run of" in " ".join(reading["notes"])
    assert session.done.model.endswith("(recorded)") and shown[-1][page.room.status]["phase"] == "done"
    assert np.array_equal(session.done.mask, model.ground(loaded.image, "What is bright?").mask)
    *_, refused = page.on_sample(session)
    assert (
        refused[page.room.status]["phase"] == "done" and "free GPU time" in refused[page.room.status]["text"]
    )
    *_, refused = page.on_ask(session, "What was never asked?")
    assert "Your free GPU time for today is used up" in refused[page.room.status]["text"]


def test_the_recordings_that_come_along_are_of_the_examples():
    recordings = load_recordings(ROOT / "examples" / "recorded.json")
    asked = {
        (image_key(load_image(example.image).image), example.question)
        for example in load_examples(ROOT / "examples")
    }
    assert set(recordings) <= asked


# The endpoint and the start


@pytest.fixture(scope="module")
def client(folder) -> Iterator[Client]:
    """`python app.py`, as a user starts it."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    environment.pop("GRADIO_SERVER_PORT", None)
    server = subprocess.Popen(
        [sys.executable, "app.py", "--model", str(folder), "--device", "cpu"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = next((found for line in server.stdout if (found := re.search(r"http://\S+", line))), None)
    assert address, f"app.py ended with exit code {server.wait(timeout=10)} before it served anything"
    yield Client(address.group(), verbose=False, analytics_enabled=False)
    server.terminate()
    server.wait(timeout=20)
    server.stdout.close()


def test_the_endpoint_gives_what_grounding_json_holds_and_the_mask(client, image_file):
    grounding, mask = client.predict(handle_file(image_file), "What is bright?", api_name="/ground")
    assert {
        "think",
        "box_xyxy",
        "points_xy",
        "mask_rle",
        "mask_score",
        "model",
        "timings_s",
        "answer_text",
    } <= set(grounding)
    assert grounding["question"] == "What is bright?" and len(grounding["prompt_sha256"]) == 64
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


def test_the_stream_tells_the_same_while_it_happens(client, image_file):
    heard = list(client.submit(handle_file(image_file), "What is bright?", api_name="/ground_stream"))
    states = [value["state"] for value in heard]
    assert states == ["thinking"] * states.count("thinking") + ["located", "done"]
    thoughts = [value["think"] for value in heard]
    assert (
        all(then.startswith(before) for before, then in zip(thoughts, thoughts[1:], strict=False))
        and thoughts[-1] == tiny.THOUGHT
    )
    assert heard[-2]["box_xyxy"] == heard[-1]["box_xyxy"]


def test_a_mask_can_be_asked_for_with_a_box_and_clicks(client, image_file):
    box, points, clicks = [40, 30, 200, 180], [[100, 90], [150, 120]], [[60, 60, True], [300, 200, False]]
    refined, mask = client.predict(handle_file(image_file), box, points, clicks, api_name="/refine")
    assert (refined["box_xyxy"], refined["clicks"]) == (box, clicks) and 0 <= refined["mask_score"] <= 1
    assert Image.open(mask).size == (320, 240)
    with pytest.raises(AppError, match="expected a box of four numbers"):
        client.predict(handle_file(image_file), [1, 2, 3], points, [], api_name="/refine")
    with pytest.raises(AppError, match="holds no part of the 320 x 240 image"):
        client.predict(handle_file(image_file), [400, 300, 500, 400], points, [], api_name="/refine")


def test_the_endpoints_are_typed_and_documented_and_nothing_else_is_offered(client):
    offered = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert list(offered) == ["/ground", "/ground_stream", "/refine"]
    for endpoint in offered.values():
        assert "Research use only" in endpoint["description"]
        assert all(parameter["python_type"]["type"] for parameter in endpoint["parameters"])


def test_the_endpoints_are_mcp_tools_that_answer(client, image_file):
    mcp = pytest.importorskip("mcp", reason="the page offers MCP tools where the mcp package is installed")
    from mcp.client.streamable_http import streamable_http_client

    picture = f"data:image/png;base64,{base64.b64encode(image_file.read_bytes()).decode('ascii')}"

    async def hear(*_: object) -> None:
        pass

    async def talk() -> tuple[dict, list]:
        async with (
            streamable_http_client(f"{client.src}gradio_api/mcp/http/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            asked = {"image": picture, "question": "What is bright?"}
            answer = await session.call_tool(
                "ground", asked, progress_callback=hear
            )  # without one, Gradio 6.31 hands all back as one text
            return tools, answer.content

    with ThreadPoolExecutor(
        1
    ) as thread:  # a browser test before this one may leave a running loop in the main thread
        tools, content = thread.submit(lambda: asyncio.run(talk())).result()
    assert set(tools) == {"ground", "ground_stream", "refine"}
    assert all("Research use only" in tool.description for tool in tools.values())
    assert [part.type for part in content] == ["text", "image", "text"], content
    assert tiny.THOUGHT in content[0].text


def test_a_wrong_model_ends_with_one_sentence_and_exit_code_2(tmp_path):
    command = [sys.executable, "app.py", "--model", str(tmp_path / "nowhere")]
    run = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
    )
    assert run.returncode == 2
    assert len(run.stderr.strip().splitlines()) == 1 and str(tmp_path) in run.stderr


def test_a_wrong_second_model_does_too(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys,
        "argv",
        ["app.py", "--model", str(folder), "--compare", str(tmp_path / "nowhere"), "--device", "cpu"],
    )
    assert app.main() == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith(f"there is no folder '{tmp_path}")

"""What programs may call, over HTTP and MCP, of `python app.py` as a user starts it."""

import asyncio
import base64
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from medreasoner.commands.demo import Demo
from medreasoner.imaging.opener import ImageOpener
from medreasoner.page.endpoints import Endpoints
from tests import tiny

ROOT = Path(__file__).parents[2]


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
    assert address, f"app.py ended with exit code {server.wait()} before it served anything"
    yield Client(address.group(), verbose=False, analytics_enabled=False)
    server.terminate()
    server.wait()
    server.stdout.close()


def test_the_endpoint_gives_what_grounding_json_holds_and_the_mask(client, image_file):
    grounding, mask = client.predict(handle_file(image_file), "What is bright?", api_name="/ground")
    assert {
        "think",
        "box_xyxy",
        "points_xy",
        "mask_rle",
        "confidence",
        "uncalibrated",
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
    with pytest.raises(
        AppError, match="expected one of the models .*model.*, got 'other'; leave the model out"
    ):
        client.predict(handle_file(image_file), "What is bright?", "other", api_name="/ground")


def test_any_of_several_models_is_asked_by_its_name(folder, image_file, tmp_path):
    second = tiny.embedded(tmp_path / "second", script=tiny.SCRIPT.replace(tiny.THOUGHT, "Another thought."))
    models = Demo(model=[str(folder), str(second)], device="cpu").offered()
    endpoints, names = Endpoints(models, ImageOpener()), models.models

    def asked(model: str, ask: Callable = endpoints.ground) -> object:
        """Ask about a copy of the image, since what is sent is deleted with its folder."""
        sent = tmp_path / "sent" / "scan.png"
        sent.parent.mkdir()
        shutil.copy(image_file, sent)
        return ask(str(sent), "What is bright?", model)

    for refused in (names[1] + "x", str(second)):
        with pytest.raises(gr.Error, match=f"expected one of the models {', '.join(names)}, got "):
            asked(refused)
    assert [pair.model for pair in models.pairs_in_memory] == names[:1]
    thoughts = [asked(name)[0]["think"] for name in ("", *names)]
    assert thoughts == [tiny.THOUGHT, tiny.THOUGHT, "Another thought."]
    *_, last = asked(names[1], endpoints.ground_stream)
    assert last["think"] == "Another thought."


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
    assert (refined["box_xyxy"], refined["clicks"]) == (box, clicks) and 0 <= refined[
        "mask_iou_estimate"
    ] <= 1
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

    async def talk() -> tuple[dict, dict]:
        async with (
            streamable_http_client(f"{client.src}gradio_api/mcp/http/") as (read, write, _),
            mcp.ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            asked = {"image": picture, "question": "What is bright?"}
            drawn = {"image": picture, "box": [40, 30, 200, 180], "points": [[100, 90], [150, 120]]}
            calls = {"ground": asked, "ground_stream": asked, "refine": drawn | {"clicks": [[60, 60, True]]}}
            answers = {name: (await session.call_tool(name, given)).content for name, given in calls.items()}
            heard = await session.call_tool("ground", asked, progress_callback=hear)
            return tools, answers | {"with progress": heard.content}

    with ThreadPoolExecutor(
        1
    ) as thread:  # a browser test before this one may leave a running loop in the main thread
        tools, answers = thread.submit(lambda: asyncio.run(talk())).result()
    assert set(tools) == {"ground", "ground_stream", "refine"}
    assert all("Research use only" in tool.description for tool in tools.values())
    for name in ("ground", "with progress", "refine"):
        facts, mask = answers[name]
        assert (facts.type, mask.type) == ("text", "image"), answers[name]
        assert json.loads(facts.text)["notice"] == "Research use only. Not for diagnosis."
        drawn = Image.open(io.BytesIO(base64.b64decode(mask.data)))
        assert drawn.size == (320, 240) and set(np.unique(drawn)) <= {0, 255}
    assert json.loads(answers["ground"][0].text)["think"] == tiny.THOUGHT
    assert json.loads(answers["ground_stream"][0].text)["state"] == "done"
    assert json.loads(answers["refine"][0].text)["clicks"] == [[60, 60, True]]


def test_a_call_without_image_or_question_gets_one_sentence(client, image_file):
    with pytest.raises(AppError, match="There is no image"):
        client.predict(None, "What is bright?", api_name="/ground")
    with pytest.raises(AppError, match="The question is empty"):
        client.predict(handle_file(image_file), None, api_name="/ground")

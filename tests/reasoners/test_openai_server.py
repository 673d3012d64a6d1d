"""Models behind a server: a loopback server that speaks the OpenAI protocol, and breaks it in every way that
is listed.

python -m pytest tests/reasoners/test_openai_server.py
"""

import base64
import io
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image

from medreasoner.answer import Answer, parse, render
from medreasoner.reasoners import openai_request, openai_server
from medreasoner.reasoners.base import BatchReasoner, ReasonerError
from medreasoner.reasoners.registry import load_reasoner

ANSWER = render(Answer((100, 200, 300, 400), ((150, 250), (200, 300)), think="It is on the left."))
FOREIGN = '```json\n[{"box_2d": [200, 100, 400, 300], "label": "it"}]\n```'


class Server(ThreadingHTTPServer):
    """Answers each request with the next of `plan`, the last one for ever: a text, a status, or a list of
    deltas, "broken" and "dead".
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: list[object] = [ANSWER]
        self.requests: list[dict] = []
        self.running = self.most = 0
        self.numbered = False  # whether an answer names its question
        self.lock = threading.Lock()
        self.gate, self.two = threading.Event(), threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(body | {"path": self.path, "key": self.headers["Authorization"]})
            step = self.server.plan.pop(0) if len(self.server.plan) > 1 else self.server.plan[0]
            self.server.running += 1
            self.server.most = max(self.server.most, self.server.running)
            if self.server.running == 2:
                self.server.two.set()
        self.server.gate.wait(10)
        if isinstance(step, int):
            self.refuse(step)
        else:
            question = re.search(r"Question (\d)", body["messages"][0]["content"][1]["text"])
            self.speak(step.replace("left", f"left of {question[1]}") if self.server.numbered else step)
        with self.server.lock:
            self.server.running -= 1

    def refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("retry-after-ms", "1")
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps({"error": {"message": f"no, {status}", "type": "x"}}).encode())

    def speak(self, step: object) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        deltas = (
            step if isinstance(step, list) else [{"content": step[i : i + 9]} for i in range(0, len(step), 9)]
        )
        for delta in deltas:
            if delta == "broken":
                self.wfile.write(b"data: {half a ch\n\n")
            if delta in ("broken", "dead"):
                return
            self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        self.event(
            {"choices": [], "usage": {"prompt_tokens": 900, "completion_tokens": 77, "total_tokens": 977}}
        )
        self.wfile.write(b"data: [DONE]\n\n")

    def event(self, body: dict) -> None:
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"} | body
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.gate.set()
    running.shutdown()
    running.server_close()
    thread.join()


def picture(width: int = 300, height: int = 200) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def reasoner(server: Server, model: str = "gpt-4o", **options):
    return load_reasoner(f"openai:{model}@{server.url}", **options)


def ask(server: Server, model: str = "gpt-4o", image: Image.Image | None = None) -> str:
    crm = reasoner(server, model)
    return "".join(crm.stream(crm.encode(image or picture()), "Where?"))


def test_the_text_streams_and_the_server_gets_image_prompt_and_key(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    crm = reasoner(server)
    pieces = list(crm.stream(crm.encode(picture()), "Where is it?"))
    assert "".join(pieces) == ANSWER and len(pieces) > 3
    assert crm.name == "openai:gpt-4o" and isinstance(crm, BatchReasoner)
    sent = server.requests[0]
    assert (sent["path"], sent["key"], sent["model"], sent["temperature"]) == (
        "/v1/chat/completions",
        "Bearer secret",
        "gpt-4o",
        0,
    )
    image, text = sent["messages"][0]["content"]
    assert text["text"] == crm.prompt.text("Where is it?") and "from 0 to 1000" in text["text"]
    shown = Image.open(io.BytesIO(base64.b64decode(image["image_url"]["url"].split(",")[1])))
    assert np.array_equal(np.asarray(shown), np.asarray(picture())), "the image arrives as it is"


def test_a_family_that_counts_pixels_of_its_input_gets_the_size_it_counts_in(server):
    assert reasoner(server, "Qwen/Qwen2.5-VL-7B-Instruct").encode(picture()).input_wh == (840, 840)
    assert reasoner(server, "gpt-4o").encode(picture()).input_wh == (300, 200)
    wide = reasoner(server, "gpt-4o").encode(picture(4000, 1000)).input_wh
    assert wide[0] * wide[1] <= 1024 * 1024 * 1.01 and wide[0] / wide[1] == pytest.approx(4, rel=0.01)


def test_a_dialect_is_translated(server):
    server.plan = [FOREIGN]
    assert parse(ask(server, "gemini-2.5-flash")).answer.bbox == (200, 100, 400, 300)


def test_reasoning_that_a_server_sends_apart_comes_between_the_tags(server):
    body = ANSWER[ANSWER.index("<answer>") :]
    server.plan = [[{"reasoning_content": "It is "}, {"reasoning_content": "bright."}, {"content": body}]]
    assert parse(ask(server)).think == "It is bright." and parse(ask(server)).answer


def test_stop_ends_the_stream(server):
    stop = threading.Event()
    crm = reasoner(server)
    pieces = crm.stream(crm.encode(picture()), "Where?", stop=stop)
    next(pieces)
    stop.set()
    assert len(list(pieces)) <= 2


@pytest.mark.parametrize("status", [429, 500, 503, 408])
def test_a_request_that_fails_for_a_while_is_made_again(server, status):
    server.plan = [status, status, ANSWER]
    assert ask(server) == ANSWER and len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "does not accept the key; set OPENAI_API_KEY"), (404, "answered 404"), (400, "answered 400")],
)
def test_a_request_that_is_refused_is_one_sentence(server, status, message):
    server.plan = [status]
    with pytest.raises(ReasonerError, match=message):
        ask(server)
    assert len(server.requests) == 1


def test_no_server_is_one_sentence(monkeypatch):
    for module in (openai_request, openai_server):
        monkeypatch.setattr(module, "TRIES", 1)
    crm = load_reasoner("openai:gpt-4o@http://127.0.0.1:9/v1")
    with pytest.raises(ReasonerError, match="cannot be reached; is it running"):
        list(crm.stream(crm.encode(picture()), "Where?"))


def test_an_unknown_model_must_name_its_family():
    with pytest.raises(ReasonerError, match="say it with --family, one of qwen2_vl"):
        load_reasoner("openai:somebody/something")
    assert load_reasoner("openai:somebody/something", family="gemini").frame.axes == "yx"
    with pytest.raises(ReasonerError, match="'giraffe' is not known"):
        load_reasoner("openai:gpt-4o", family="giraffe")


def batch(server: Server, number: int, at_once: int, model: str = "gpt-4o"):
    crm = reasoner(server, model)
    return list(
        crm.answer_batch(
            [crm.encode(picture())] * number, [f"Question {i}?" for i in range(number)], at_once=at_once
        )
    )


def test_many_at_once_come_in_order_and_are_counted(server):
    server.numbered = True
    said = batch(server, 6, at_once=3)
    assert [one.text for one in said] == [ANSWER.replace("left", f"left of {i}") for i in range(6)]
    assert all(
        one.tokens_in == 900 and one.tokens_out == 77 and 0 < one.first_token_s <= one.seconds for one in said
    )
    assert len(server.requests) == 6 and server.most <= 3


def test_never_more_than_allowed_are_under_way(server):
    server.gate.clear()
    thread = threading.Thread(target=batch, args=(server, 5, 2))
    thread.start()
    server.two.wait(10)
    server.gate.set()
    thread.join()
    assert server.most == 2 and len(server.requests) == 5


@pytest.mark.parametrize("end", ["broken", "dead"])
def test_a_stream_that_breaks_is_asked_for_again(server, end):
    half = [{"content": ANSWER[:40]}, end]
    server.plan = [half, half, ANSWER]
    assert batch(server, 1, at_once=1)[0].text == ANSWER and len(server.requests) == 3
    server.plan = [half]
    with pytest.raises(ReasonerError, match="broke off"):
        ask(server)
    assert "broke off" in batch(server, 1, at_once=1)[0].error


def test_a_request_that_fails_for_good_is_an_error_and_no_answer(server):
    server.plan = [400, ANSWER]
    first, second = batch(server, 2, at_once=1)
    assert first.text == "" and "answered 400" in first.error and first.tokens_out is None
    assert second.text == ANSWER and second.error is None


def test_a_wrong_key_ends_the_run_instead_of_failing_every_question(server):
    server.plan = [401]
    with pytest.raises(ReasonerError, match="OPENAI_API_KEY"):
        batch(server, 50, at_once=2)
    assert len(server.requests) < 10

"""The endpoint writer against a real HTTP server on this machine that speaks /v1/chat/completions and, where told, fails as servers do."""

import io
import json
import re
import socket
import threading
from base64 import b64decode
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from medreasoner.cli import main
from medreasoner.data.build.builder import Builder, counted
from medreasoner.data.build.layouts import Options
from medreasoner.data.build.sources import open_source
from medreasoner.data.build.writers.endpoint import BudgetSpent, Endpoint, EndpointError, Prices, tokens_of
from medreasoner.data.build.writers.openai_writer import EndpointWriter, read_object
from tests.data.build.test_builder import lines, source

HELLO = [{"role": "user", "content": "hello"}]
ROWS = [(name, "own", "liver", "train", (45 + 25 * i, 60), 18 + 3 * i) for i, name in enumerate("abcde")]


def write(body: dict) -> str:
    """What a model that does as it is told would write."""
    text = body["messages"][-1]["content"]
    text = text if isinstance(text, str) else text[-1]["text"]
    if '"short_description"' in text:
        return json.dumps({"short_description": "A bright organ.", "long_description": "A bright organ among darker ones."})
    if "gaps in angle brackets" in text:
        return json.dumps({"question": "Which organ <does what>?", "think": "It is <name>."})
    place, size = re.search(r'words: "(.*) of the image", with its size as the one word "(.*)"\.', text).groups()
    question = "Which organ makes bile?" if "Earlier tries were refused" in text or "hello" in text else "Which organ makes bile for us?"
    think = f"The liver makes bile. It lies {place} of the image, {size}."
    return "```json\n" + json.dumps({"question": question, "think": think}) + "\n```"


class Served:
    """A server on the loopback. `faults[n]` is what happens to request n instead: an HTTP status with headers, bytes to send, or "drop";
    `bodies` are the requests that came, `written` what is written to a request."""

    def __init__(self):
        self.bodies: list[dict] = []
        self.keys: list[str | None] = []
        self.faults: dict[int, object] = {}
        self.written: Callable[[dict], str] = write
        self.most_at_once = self._at_once = 0
        self.hold = threading.Event()  # what "slow" waits for
        self._lock = threading.Lock()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.keys.append(handler.headers.get("authorization"))
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._send(handler, body, self.faults.get(number))
        finally:
            with self._lock:
                self._at_once -= 1

    def _send(self, handler: BaseHTTPRequestHandler, body: dict, fault: object) -> None:
        if fault == "drop":
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return
        if fault == "slow":
            self.hold.wait(10)
            handler.close_connection = True
            return
        status, headers, data = fault if isinstance(fault, tuple) else (200, {}, fault)
        if data is None:
            message = {"role": "assistant", "content": self.written(body)}
            usage = {"prompt_tokens": 1000, "completion_tokens": 100}
            data = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}).encode()
        handler.send_response(status)
        for name, value in ({"content-length": str(len(data))} | headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(data)


@contextmanager
def running(served: Served):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            assert self.path == "/v1/chat/completions"
            served.answer(self)

        def log_message(self, *words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        served.hold.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def served():
    return Served()


@pytest.fixture
def url(served):
    with running(served) as url:
        yield url


def endpoint(url, tmp_path, **options) -> tuple[Endpoint, list[float]]:
    """An endpoint, and the seconds that it waited instead of waiting."""
    waits: list[float] = []
    return Endpoint(url, "small-vlm", tmp_path / "requests", wait=waits.append, **options), waits


# --- traffic ---


def test_the_same_question_is_paid_for_once(served, url, tmp_path):
    served.written = lambda body: f"answer {len(served.bodies)}"
    first, _ = endpoint(url, tmp_path, prices=Prices(2, 10), key="secret")
    assert [first.chat(HELLO, 50), first.chat(HELLO, 50)] == ["answer 1", "answer 1"]
    again, _ = endpoint(url, tmp_path, prices=Prices(2, 10))
    assert again.chat(HELLO, 50) == "answer 1" and len(served.bodies) == 1
    assert again.budget.spent == first.budget.spent == pytest.approx(1000 * 2e-6 + 100 * 10e-6)
    assert again.chat(HELLO, 50, seed=1) == "answer 2"
    assert served.keys[0] == "Bearer secret" and served.keys[1] is None
    assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "requests").rglob("*.json"))


@pytest.mark.parametrize(
    "fault",
    [(500, {}, b"oops"), (503, {}, b""), "drop", b"<html>no json</html>", b'{"choices": []}', b'{"choices": [{"message": {'],
    ids=["500", "503", "dropped", "html", "no choice", "cut json"],
)
def test_a_fault_is_tried_again_with_a_longer_pause(served, url, tmp_path, fault):
    served.written = lambda body: "fine"
    served.faults = {0: fault, 1: fault}
    asked, waits = endpoint(url, tmp_path, pause=8)
    assert asked.chat(HELLO, 50) == "fine" and len(served.bodies) == 3
    assert 6 <= waits[0] <= 10 and 12 <= waits[1] <= 20


@pytest.mark.parametrize("dated", [False, True])
def test_a_server_that_says_when_to_come_again_is_obeyed(served, url, tmp_path, dated):
    served.written = lambda body: "fine"
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True) if dated else "90"
    served.faults = {0: (429, {"retry-after": when}, b"slow down")}
    asked, waits = endpoint(url, tmp_path)
    assert asked.chat(HELLO, 50) == "fine" and 30 <= waits[0] <= 90


def test_a_slow_server_is_tried_again(served, url, tmp_path):
    served.written = lambda body: "fine"
    served.faults = {0: "slow"}
    asked, waits = endpoint(url, tmp_path, timeout=0.5)
    assert asked.chat(HELLO, 50) == "fine" and waits


def test_a_server_that_never_answers_ends_with_what_it_said(served, url, tmp_path):
    served.faults = dict.fromkeys(range(9), (500, {}, b"out of memory"))
    asked, waits = endpoint(url, tmp_path, tries=3)
    with pytest.raises(EndpointError, match="no answer in 3 tries; the last ended with HTTP 500 .*out of memory"):
        asked.chat(HELLO, 50)
    assert len(served.bodies) == 3 and len(waits) == 2 and not list((tmp_path / "requests").rglob("*.json"))


def test_a_refused_key_and_no_server_are_told_at_once(served, url, tmp_path):
    served.faults = {0: (401, {}, b"wrong key")}
    asked, waits = endpoint(url, tmp_path)
    with pytest.raises(EndpointError, match="HTTP 401: wrong key"):
        asked.chat(HELLO, 50)
    assert waits == []
    with pytest.raises(EndpointError, match="is no address of an endpoint"):
        endpoint("localhost", tmp_path)[0].chat(HELLO, 50)


def test_an_answer_without_usage_is_counted_by_its_length(served, url, tmp_path):
    served.faults = {0: json.dumps({"choices": [{"message": {"content": "x" * 300}}]}).encode()}
    asked, _ = endpoint(url, tmp_path, prices=Prices(0, 1e6))
    asked.chat(HELLO, 500)
    assert asked.budget.spent == pytest.approx(100)


def test_the_budget_holds_across_threads_and_runs(served, url, tmp_path):
    served.written = lambda body: "fine"
    prices = Prices(0, 1000)  # 0.1 USD an answer, 0.2 at most
    asked, _ = endpoint(url, tmp_path, prices=prices, budget=0.55)
    refused: list[BudgetSpent] = []

    def ask(seed: int) -> None:
        try:
            asked.chat(HELLO, 200, seed)
        except BudgetSpent as error:
            refused.append(error)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused and asked.budget.spent <= 0.55 and asked.budget.spent == pytest.approx(0.1 * len(served.bodies))
    later, _ = endpoint(url, tmp_path, prices=prices, budget=0.55)
    assert later.budget.spent == pytest.approx(asked.budget.spent)
    with pytest.raises(BudgetSpent, match=r"of the budget of \$0.55 is spent"):
        for seed in range(100, 110):
            later.chat(HELLO, 200, seed)
    assert later.budget.spent <= 0.55


def test_tokens_are_estimated_on_the_high_side():
    picture = {"type": "image_url", "image_url": {"url": "data:" + "x" * 100_000}}
    assert tokens_of([{"role": "user", "content": [picture, {"type": "text", "text": "a word " * 100}]}]) == 1400 + 700 // 3 + 4


# --- words ---


def builder(folder, out, endpoint, workers=1) -> Builder:
    return Builder(open_source(folder, out, Options(modality="CT")), out, writer=EndpointWriter(endpoint), workers=workers)


def ct(folder, rows=ROWS) -> None:
    source(folder, rows)
    text = (folder / "manifest.jsonl").read_text()
    (folder / "manifest.jsonl").write_text(text.replace('"Endoscopy"', '"CT"'))


def test_an_endpoint_writes_a_set_and_a_rerun_asks_nothing(served, url, tmp_path):
    ct(tmp_path / "src")
    report = builder(tmp_path / "src", tmp_path / "out", endpoint(url, tmp_path)[0]).run()
    assert report["samples"] == {"train": 5} and report["rejected"] == {}
    assert {row["question"] for row in lines(tmp_path / "out/samples.jsonl")} == {"Which organ makes bile for us?"}
    (said, *_) = lines(tmp_path / "out/stages/2_descriptions.jsonl")
    assert said["short_description"] == "A bright organ." and said["formats"]["abdomen anatomies"]["question"] == "Which organ <does what>?"
    asked = len(served.bodies)
    assert asked == 5 + 1 + 5  # a description an image, a format a super-category, a question a target
    builder(tmp_path / "src", tmp_path / "again", endpoint(url, tmp_path)[0]).run()
    assert len(served.bodies) == asked
    assert (tmp_path / "again/samples.jsonl").read_bytes() == (tmp_path / "out/samples.jsonl").read_bytes()


def test_several_at_once_give_the_same_bytes(served, url, tmp_path):
    ct(tmp_path / "src")
    builder(tmp_path / "src", tmp_path / "one", endpoint(url, tmp_path / "a")[0]).run()
    together = threading.Barrier(3, timeout=60)

    def meet(body: dict) -> str:  # answers only when three are there
        if "short_description" in str(body["messages"][-1]["content"][-1]) and len(met) < 3:
            met.append(1)
            together.wait()
        return write(body)

    met: list[int] = []
    served.written = meet
    builder(tmp_path / "src", tmp_path / "many", endpoint(url, tmp_path / "b")[0], workers=4).run()
    assert served.most_at_once >= 3
    for name in ("samples.jsonl", "stages/2_descriptions.jsonl", "stages/3_questions.jsonl"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_the_model_sees_the_image_the_outline_and_the_facts(served, url, tmp_path):
    ct(tmp_path / "src", ROWS[:1])
    builder(tmp_path / "src", tmp_path / "out", endpoint(url, tmp_path)[0]).run()
    plain, marked, text = served.bodies[-1]["messages"][-1]["content"]
    pictures = [Image.open(io.BytesIO(b64decode(part["image_url"]["url"].partition(",")[2]))) for part in (plain, marked)]
    assert pictures[0].size == (200, 150) and pictures[0].tobytes() != pictures[1].tobytes()
    assert "do not use the target's name\nor any word that begins with one of: liver, liver, hepat" in text["text"]
    assert '"in the upper left of the image", with its size as the one word "small"' not in text["text"]  # it is at mid-height
    assert '"at mid-height on the left of the image", with its size as the one word "small"' in text["text"]
    assert served.bodies[-1]["model"] == "small-vlm" and served.bodies[-1]["response_format"] == {"type": "json_object"}


def test_words_that_leak_are_asked_for_again_with_the_reason(served, url, tmp_path):
    def blurt(body: dict) -> str:
        text = str(body["messages"][-1]["content"])
        return write(body).replace("organ makes bile for us", "part of the liver is meant") if "refused" not in text else write(body)

    served.written = blurt
    ct(tmp_path / "src", ROWS[:1])
    report = builder(tmp_path / "src", tmp_path / "out", endpoint(url, tmp_path)[0]).run()
    assert report["samples"] == {"train": 1} and lines(tmp_path / "out/samples.jsonl")[0]["question"] == "Which organ makes bile?"
    assert "question names the target (liver)" in served.bodies[-1]["messages"][-1]["content"][-1]["text"]


def test_words_that_contradict_the_mask_to_the_end_are_kept_as_rejects(served, url, tmp_path):
    served.written = lambda body: write(body).replace("at mid-height on the left", "in the lower right")
    ct(tmp_path / "src", ROWS[:1])
    report = builder(tmp_path / "src", tmp_path / "out", endpoint(url, tmp_path)[0]).run()
    assert report["samples"] == {} and report["rejected"] == {"words contradict the mask: place": 1}
    (reject,) = lines(tmp_path / "out/rejects.jsonl")
    assert "lower right" in reject["think"] and len(served.bodies) == 2 + 3


def test_a_model_that_writes_no_json_is_a_reject_and_its_answers_are_paid_for_once(served, url, tmp_path):
    served.written = lambda body: "I cannot help with that." if "gaps in angle" in str(body) else write(body)
    ct(tmp_path / "src", ROWS[:2])
    for out in ("one", "two"):
        report = builder(tmp_path / "src", tmp_path / out, endpoint(url, tmp_path)[0]).run()
        assert report["rejected"] == {"the writer gave no JSON object with question and think in 3 tries": 2}
    assert len(served.bodies) == 2 + 3


@pytest.mark.parametrize(
    "answer,texts",
    [
        ('{"a": "x", "b": " y "}', ["x", "y"]),
        ('Sure:\n```json\n{"a": "x", "b": "y", "c": 1}\n```', ["x", "y"]),
        ('{"a": "x"}', None),
        ('{"a": "x", "b": ""}', None),
        ('{"a": "x", "b": 3}', None),
        ('{"a": "x", "b": "y"', None),
        ("", None),
    ],
)
def test_an_answer_is_read_or_not(answer, texts):
    assert read_object(answer, ("a", "b")) == texts


# --- the command ---


def command(folder, out, url, *more: str) -> int:
    writer = ("--writer", url, "--writer-model", "small-vlm", "--concurrency", "2")
    return main(["data", "build", str(folder), "--out", str(out), *writer, *more])


def test_the_command_wants_a_budget_stops_at_it_and_goes_on(served, url, tmp_path, capsys):
    ct(tmp_path / "src")
    paid = ("--price-in", "10", "--price-out", "100")
    assert command(tmp_path / "src", tmp_path / "out", url, *paid) == 2
    said = capsys.readouterr().err
    assert "About 11 requests" in said and "give --budget" in said and served.bodies == []
    assert command(tmp_path / "src", tmp_path / "out", url, *paid, "--budget", "0.15") == 1
    said, asked = capsys.readouterr().err, len(served.bodies)
    assert "Stopped: $0." in said and "of the budget of $0.15 is spent" in said and 0 < asked < 11
    assert not (tmp_path / "out/samples.jsonl").exists()
    assert command(tmp_path / "src", tmp_path / "out", url, *paid, "--budget", "5") == 0
    assert len(served.bodies) == 11  # nothing was asked twice
    assert "5 train samples of 5 images" in capsys.readouterr().out


def test_a_server_of_ones_own_needs_no_budget(served, url, tmp_path, monkeypatch):
    monkeypatch.setenv("OWN_KEY", "secret")
    ct(tmp_path / "src", ROWS[:1])
    assert command(tmp_path / "src", tmp_path / "out", url, "--price-in", "0", "--price-out", "0", "--key-env", "OWN_KEY") == 0
    assert set(served.keys) == {"Bearer secret"}


def test_the_command_wants_to_know_the_model_and_the_prices(tmp_path, capsys):
    assert main(["data", "build", str(tmp_path), "--out", str(tmp_path / "out"), "--writer", "http://localhost:1/v1"]) == 2
    assert "--writer needs --writer-model, --price-in and --price-out" in capsys.readouterr().err


def test_the_estimate_is_not_under_what_is_sent(served, url, tmp_path):
    ct(tmp_path / "src")
    asked, _ = endpoint(url, tmp_path)
    builder(tmp_path / "src", tmp_path / "out", asked).run()
    estimate = EndpointWriter(asked).estimate(*counted(tmp_path / "out"))
    assert estimate.requests == len(served.bodies) == 11
    assert 0.9 <= estimate.sent / sum(tokens_of(body["messages"]) for body in served.bodies) <= 1.5

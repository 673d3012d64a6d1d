"""The cached, budgeted client against a real HTTP server on this machine that fails as servers do.

python -m pytest tests/data/build/writers/test_chat_client.py
"""

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from medreasoner.data.build.writers import chat_client
from medreasoner.data.build.writers.budget import BudgetSpent, Prices
from medreasoner.data.build.writers.chat_client import ChatClient, EndpointError, read_completion

HELLO = [{"role": "user", "content": "hello"}]


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """The seconds that were waited between tries, without waiting."""
    seconds: list[float] = []
    monkeypatch.setattr(time, "sleep", seconds.append)
    return seconds


def client(url, tmp_path, **options) -> ChatClient:
    return ChatClient(url, "small-vlm", tmp_path / "requests", **options)


def test_the_same_question_is_paid_for_once(served, url, tmp_path):
    served.written = lambda body: f"answer {len(served.bodies)}"
    first = client(url, tmp_path, prices=Prices(2, 10), key="secret")
    assert [first.chat(HELLO, 50), first.chat(HELLO, 50)] == ["answer 1", "answer 1"]
    again = client(url, tmp_path, prices=Prices(2, 10))
    assert again.chat(HELLO, 50) == "answer 1" and len(served.bodies) == 1
    assert again.budget.spent == first.budget.spent == pytest.approx(1000 * 2e-6 + 100 * 10e-6)
    assert again.chat(HELLO, 50, seed=1) == "answer 2"
    assert served.keys[0] == "Bearer secret" and "secret" not in served.keys[1]
    assert not any(b"secret" in path.read_bytes() for path in (tmp_path / "requests").rglob("*.json"))


@pytest.mark.parametrize(
    "fault",
    [
        (500, {}, b"oops"),
        (503, {}, b""),
        "drop",
        b"<html>no json</html>",
        b'{"choices": []}',
        b'{"choices": [{"mess',
    ],
    ids=["500", "503", "dropped", "html", "no choice", "cut json"],
)
def test_a_fault_is_tried_again(served, url, tmp_path, waits, fault):
    served.faults = {0: fault, 1: fault}
    assert client(url, tmp_path).chat(HELLO, 50) == "fine" and len(served.bodies) == 3


@pytest.mark.parametrize("dated", [False, True])
def test_a_server_that_says_when_to_come_again_is_obeyed(served, url, tmp_path, waits, dated):
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True) if dated else "90"
    served.faults = {0: (429, {"retry-after": when}, b"slow down")}
    assert client(url, tmp_path).chat(HELLO, 50) == "fine" and 30 <= waits[0] <= 90


def test_a_slow_server_is_tried_again(served, url, tmp_path, waits):
    served.faults = {0: "slow"}
    assert client(url, tmp_path, timeout=0.5).chat(HELLO, 50) == "fine" and waits


def test_a_server_that_never_answers_ends_with_what_it_said(served, url, tmp_path, waits, monkeypatch):
    monkeypatch.setattr(chat_client, "TRIES", 3)
    served.faults = dict.fromkeys(range(9), (500, {}, b"out of memory"))
    with pytest.raises(
        EndpointError, match="no answer in 3 tries; the last ended with HTTP 500 .*out of memory"
    ):
        client(url, tmp_path).chat(HELLO, 50)
    assert len(served.bodies) == 3 and not list((tmp_path / "requests").rglob("*.json"))


def test_a_server_that_writes_nonsense_to_the_end_is_told_with_what_it_wrote(
    served, url, tmp_path, monkeypatch
):
    monkeypatch.setattr(chat_client, "TRIES", 3)
    served.faults = dict.fromkeys(range(9), b"<html>no json</html>")
    with pytest.raises(
        EndpointError, match="no answer in 3 tries; the last ended with a malformed answer .*no json"
    ):
        client(url, tmp_path).chat(HELLO, 50)
    assert len(served.bodies) == 3


def test_a_server_that_is_gone_is_told(tmp_path, waits, monkeypatch):
    monkeypatch.setattr(chat_client, "TRIES", 2)
    with pytest.raises(
        EndpointError, match="gave no answer in 2 tries; the last ended with APIConnectionError"
    ):
        client("http://127.0.0.1:1/v1", tmp_path).chat(HELLO, 50)


def test_a_refused_key_and_no_address_are_told_at_once(served, url, tmp_path, waits):
    served.faults = {0: (401, {}, b"wrong key")}
    with pytest.raises(EndpointError, match="HTTP 401: wrong key"):
        client(url, tmp_path).chat(HELLO, 50)
    assert waits == []
    for address in ("localhost", "localhost:8000/v1", "file:///etc/passwd", ""):
        with pytest.raises(EndpointError, match="is no address of an endpoint"):
            client(address, tmp_path)


def test_an_answer_without_usage_is_counted_by_its_length(served, url, tmp_path):
    served.faults = {0: json.dumps({"choices": [{"message": {"content": "x" * 300}}]}).encode()}
    asked = client(url, tmp_path, prices=Prices(0, 1e6))
    asked.chat(HELLO, 500)
    assert asked.budget.spent == pytest.approx(100)


def test_the_budget_holds_across_threads_and_runs(served, url, tmp_path):
    prices = Prices(0, 1000)  # 0.1 USD an answer, 0.2 at most
    asked = client(url, tmp_path, prices=prices, budget=0.55)
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
    assert refused and asked.budget.spent <= 0.55
    assert asked.budget.spent == pytest.approx(0.1 * len(served.bodies))
    later = client(url, tmp_path, prices=prices, budget=0.55)
    assert later.budget.spent == pytest.approx(asked.budget.spent)
    with pytest.raises(BudgetSpent, match=r"of the budget of \$0.55 is spent"):
        for seed in range(100, 110):
            later.chat(HELLO, 200, seed)
    assert later.budget.spent <= 0.55


@pytest.mark.parametrize(
    "text",
    ["", "[]", "7", '{"choices": {}}', '{"choices": [3]}', '{"choices": [{"message": "x"}]}', "[" * 100_000],
)
def test_a_malformed_completion_is_none(text):
    assert read_completion(text, HELLO) is None


def test_an_empty_completion_is_an_answer():
    assert read_completion('{"choices": [{"message": {"content": null}}]}', HELLO)["answer"] == ""

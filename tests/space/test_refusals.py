"""What `python -m space.deploy` says, and what it leaves behind, where a Hub refuses, breaks off, or cannot build."""

import hashlib
import socket
from functools import partial

import pytest
from huggingface_hub import HfApi

from space.requirements import ROOT
from tests import hub_server, hub_store
from tests.hub_server import READ
from tests.space.conftest import MODEL, NAME, WRITES

FAULTS = [
    (401, r"GET /api/whoami", "log in with `hf auth login`"),
    (402, r"POST /api/repos/create", "choose other hardware or a paid plan"),
    (403, r"POST /api/repos/create", "needs write permission"),
    (409, r"POST /api/repos/create", "choose another name, or try again"),
    (412, r"POST .*/commit/", "look at the change, then run the same command again"),
    (429, r"POST .*/commit/", "wait some minutes"),
    (503, r"POST .*/commit/", "status.huggingface.co"),
]


@pytest.mark.parametrize("status, request_line, told", FAULTS, ids=[str(status) for status, *_ in FAULTS])
def test_each_refusal_ends_in_a_sentence_that_says_what_to_do(hub, run, status, request_line, told):
    hub.fault(request_line, status=status, times=99)
    code, printed = run("--model", MODEL)
    assert code == 2 and told in printed
    assert ("space", NAME) not in hub.repositories or hub.files(NAME, "space") == {}


def test_what_broke_off_between_creation_and_upload_is_finished_by_the_same_command(hub, run):
    hub.fault(r"POST .*/commit/", status=412, times=99)
    assert run("--model", MODEL)[0] == 2
    hub.faults.clear()
    assert run("--model", MODEL)[0] == 0
    assert "app.py" in hub.files(NAME, "space")


def test_a_plan_that_does_not_reach_is_said_before_and_after_the_hub_says_so(run):
    code, printed = run("--hardware", "cpu-basic")
    assert (
        code == 2
        and "on a free plan the Hub refuses new Spaces on cpu-basic" in printed
        and "a paid plan" in printed
    )


def test_a_token_that_may_only_read_is_noticed_before_anything_is_sent(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", READ)
    code, printed = run()
    assert code == 2 and "may only read" in printed and hub.count(WRITES) == 0


def test_a_namespace_of_somebody_else_is_noticed_before_anything_is_sent(hub, run):
    code, printed = run(name="stranger/space")
    assert code == 2 and "expected one of tester, hospital" in printed and hub.count(WRITES) == 0


def test_a_broken_upload_goes_on_where_it_was(hub, run):
    last = hashlib.sha256(max((ROOT / "medreasoner" / "examples").glob("*.jpg")).read_bytes()).hexdigest()
    hub.fault(rf"PUT /store/{last}", drop=100, times=99)
    code, printed = run("--model", MODEL)
    assert code == 2 and "run the same command again" in printed
    assert hub.files(NAME, "space") == {}, "nothing half done can be seen"
    hub.faults.clear()
    hub.requests.clear()
    arrived = set(hub.large)
    assert arrived and last not in arrived
    code, printed = run("--model", MODEL)
    assert code == 0, printed
    sent = {line.rpartition("/")[2] for line in hub.requests if line.startswith("PUT /store/")}
    assert last in sent and not sent & arrived, "what had arrived was sent again"


def test_a_space_that_somebody_made_otherwise_is_left_alone(hub, run):
    api = HfApi()
    api.create_repo(NAME, repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")
    for name, text in (("README.md", b"---\nsdk: gradio\n---\nmine"), ("app.py", b"pass")):
        api.upload_file(path_or_fileobj=text, path_in_repo=name, repo_id=NAME, repo_type="space")
    code, printed = run("--update")
    assert code == 2 and "was not made by this command" in printed
    assert hub.files(NAME, "space")["app.py"] == b"pass"


def test_a_space_that_cannot_be_built_shows_its_log_and_what_to_do(hub, run, monkeypatch, page):
    ends = {"stages": ["BUILDING", "BUILD_ERROR"], "build_log": ["ERROR: No matching distribution"]}
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=page, **ends))
    code, printed = run("--model", MODEL)
    assert code == 1 and "the log above says why" in printed
    assert printed.count("  | ERROR: No matching distribution") == 1, "each line once"


def test_a_page_that_breaks_at_its_start_shows_its_own_log(run, monkeypatch, page):
    ends = {"stages": ["BUILDING", "RUNTIME_ERROR"], "run_log": ["ModuleNotFoundError: sam3"]}
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=page, **ends))
    code, printed = run("--model", MODEL)
    assert code == 1 and "  | ModuleNotFoundError: sam3" in printed and "its page broke" in printed


def test_a_page_that_does_not_answer_is_not_called_fine(run, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(hub_server, "Space", partial(hub_store.Space, host=nobody))
    code, printed = run("--model", MODEL)
    assert code == 1 and "did not answer a question" in printed and "?logs=container" in printed

"""What `python -m space.deploy` asks of a Hub. What it says where that goes wrong is in `test_refusals.py`; that a
staged folder runs by itself, in an environment made of its own requirements, with the embedded pair, in
`test_runs.py`.
"""

import pytest
from huggingface_hub import HfApi

from space import deploy
from space.content import Content
from space.requirements import ROOT
from space.stage import stage
from tests import hub_server
from tests.hub_server import Hub
from tests.space.conftest import FIRST, MODEL, NAME, WRITES, head


def test_one_command_makes_the_space_follows_its_build_and_asks_it_a_question(hub, run, tmp_path):
    code, printed = run("--variable", "GREETING=hello")
    assert code == 0, printed
    space = hub.repository(NAME, "space").space
    assert (space.sdk, space.hardware, space.variables, space.secrets) == (
        "gradio",
        "zero-a10g",
        {"GREETING": "hello"},
        {},
    )
    (tmp_path / "staged").mkdir()
    expected = stage(Content(), tmp_path / "staged")
    assert hub.files(NAME, "space") == {name: (tmp_path / "staged" / name).read_bytes() for name in expected}
    for said in ("free plan", "5.0 of 5 minutes", "] building", "  | Installing requirements", "] running"):
        assert said in printed
    assert f"asked {FIRST.question!r} of {FIRST.image.name}: box 1, 2, 9, 8," in printed and printed.endswith(
        f"/spaces/{NAME}\n"
    )
    assert len(hub.repository(NAME, "space").history("main")) == 2, "one commit after the empty one"


def test_running_it_twice_changes_nothing(hub, run):
    assert run("--model", MODEL, "--private")[0] == 0
    writes = hub.count(WRITES)
    code, printed = run("--model", MODEL, "--private")
    assert code == 0 and "nothing was sent" in printed
    assert hub.count(WRITES) == writes


def test_a_space_that_differs_is_changed_only_when_that_is_asked_for(hub, run):
    run("--model", MODEL)
    before, writes = hub.files(NAME, "space"), hub.count(WRITES)
    code, printed = run("--hardware", "t4-small", "--private", "--segmenter", "embedded", "--model", MODEL)
    assert code == 2 and "--update" in printed and "move it to t4-small" in printed
    assert hub.files(NAME, "space") == before and hub.count(WRITES) == writes

    code, printed = run(
        "--hardware", "t4-small", "--private", "--segmenter", "embedded", "--model", MODEL, "--update"
    )
    assert code == 0, printed
    repository = hub.repository(NAME, "space")
    assert repository.private and repository.space.hardware == "t4-small"
    assert repository.space.variables == {"MEDREASONER_MODEL": MODEL, "MEDREASONER_SEGMENTER": "embedded"}
    now = set(hub.files(NAME, "space"))
    assert "medreasoner/embedded/config.json" in now and not [
        name for name in now if name.startswith("sam2/")
    ], "what is not staged goes"

    assert run("--update")[0] == 0
    assert repository.space.variables == {} and repository.space.hardware == "t4-small"


@pytest.mark.parametrize("token", ["hf_write", None])
def test_a_dry_run_shows_every_call_and_makes_none(hub, run, monkeypatch, token):
    if token is None:
        monkeypatch.delenv("HF_TOKEN")
    code, printed = run("--dry-run", "--variable", "GREETING=hello", "--title", "Ours")
    assert code == 0, printed
    assert hub.count(WRITES) == 0 and not [key for key in hub.repositories if key[0] == "space"]
    for said in (
        f"would create the public Space {NAME} on zero-a10g, variable GREETING=hello",
        "would commit",
        "app.py",
        "title: Ours",
    ):
        assert said in printed
    assert ("the token is missing" in printed) is (token is None)


def test_a_dry_run_needs_no_network(run, hub, monkeypatch, tmp_path):
    with Hub() as gone:
        pass
    gone.connect(monkeypatch, tmp_path / "elsewhere")
    code, printed = run("--dry-run")
    assert code == 0 and "would create" in printed and "the connection to the Hub broke" in printed


# which request is refused -> what one is told to do


def test_a_private_model_needs_a_secret_which_is_sent_once_and_never_printed(hub, run, monkeypatch):
    hub.repository(MODEL).private = True
    code, printed = run("--model", MODEL)
    assert code == 2 and "--secret HF_TOKEN" in printed and hub.count(WRITES) == 0
    code, printed = run("--model", MODEL, "--secret", "HF_TOKEN")
    assert code == 0 and "secret HF_TOKEN" in printed and hub_server.WRITE not in printed
    assert hub.repository(NAME, "space").space.secrets == {"HF_TOKEN": hub_server.WRITE}
    assert "preload_from_hub" not in head(hub.files(NAME, "space")["README.md"].decode()), (
        "the Hub preloads public models only"
    )
    code, printed = run("--model", MODEL, "--secret", "HF_TOKEN")
    assert code == 0 and "nothing was sent" in printed


def test_a_model_with_a_segmenter_of_its_own_needs_no_other(hub, run):
    manifest = b'{"format": 1, "segmenter": "segmenter"}'
    HfApi().upload_file(path_or_fileobj=manifest, path_in_repo="medreasoner.json", repo_id=MODEL)
    assert run("--model", MODEL)[0] == 0
    files = hub.files(NAME, "space")
    assert head(files["README.md"].decode())["models"] == [MODEL] and not [
        name for name in files if name.startswith("sam2")
    ]


def test_a_pinned_model_stays_at_its_commit_until_the_space_is_updated(hub, run):
    pinned = HfApi().model_info(MODEL).sha
    HfApi().upload_file(path_or_fileobj=b"{ }", path_in_repo="config.json", repo_id=MODEL)
    code, printed = run("--model", MODEL, "--revision", pinned)
    assert code == 0 and f"variable MEDREASONER_REVISION={pinned}" in printed
    space = hub.repository(NAME, "space").space
    assert space.variables == {"MEDREASONER_MODEL": MODEL, "MEDREASONER_REVISION": pinned}
    card = hub.files(NAME, "space")["README.md"].decode()
    assert f"at its commit `{pinned}`." in card and "preload_from_hub" not in head(card), (
        "the Hub preloads the newest files only"
    )

    code, printed = run("--model", MODEL, "--revision", "main", "--update")
    assert code == 0 and space.variables["MEDREASONER_REVISION"] == HfApi().model_info(MODEL).sha != pinned, (
        "a branch is resolved at once"
    )
    assert run("--model", MODEL, "--update")[0] == 0
    assert space.variables == {"MEDREASONER_MODEL": MODEL}


def test_a_revision_that_is_not_there_is_said_before_anything_is_sent(hub, run):
    code, printed = run("--model", MODEL, "--revision", "v9")
    assert code == 2 and "v9" in printed and hub.count(WRITES) == 0


def test_a_model_that_is_not_there_is_said_before_anything_is_sent(hub, run):
    code, printed = run("--model", "tester/nothing")
    assert code == 2 and "tester/nothing" in printed and hub.count(WRITES) == 0


@pytest.mark.parametrize("typed, gone", [(NAME, True), ("yes", False), (None, False)])
def test_deleting_asks_for_the_name_first(hub, run, monkeypatch, typed, gone):
    HfApi().create_repo(NAME, repo_type="space", space_sdk="gradio", space_hardware="zero-a10g")

    def answer(question: str) -> str:
        assert NAME in question
        if typed is None:
            raise EOFError
        return typed

    monkeypatch.setattr("builtins.input", answer)
    assert run("--delete")[0] == (0 if gone else 2)
    assert (("space", NAME) in hub.repositories) is not gone


def test_deleting_what_is_not_there_says_so(run):
    code, printed = run("--delete")
    assert code == 2 and "nothing was deleted" in printed


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--model", "medreasoner"], "must be pushed to the Hub first"),
        (["--revision", "main"], "--revision belongs to a model on the Hub"),
        (["--secret", "NO_SUCH_SECRET"], "the environment holds no NO_SUCH_SECRET"),
        (["--variable", "JUST_A_NAME"], "expected NAME=VALUE"),
    ],
)
def test_wrong_options_are_said_at_once(capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(ROOT)
    with pytest.raises(SystemExit) as end:
        deploy.main([NAME, *arguments])
    assert end.value.code == 2 and said in " ".join(capsys.readouterr().err.split())

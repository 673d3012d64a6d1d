"""The unmodified huggingface_hub against the loopback Hub: what comes down is whole, what goes up is whole or
not there at all.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import commit_of, fetch_file, fetch_folder
from medreasoner.hub.push import push_folder
from medreasoner.hub.repository import MARKER
from tests.hub_server import READ, USER, Hub

NAME = f"{USER}/model"
WEIGHTS = bytes(range(256)) * 64


@pytest.fixture(params=["direct", "redirect", "parts"])
def each_hub(request):
    with Hub(
        redirect=request.param == "redirect", part_size=5000 if request.param == "parts" else None
    ) as hub:
        yield hub


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        yield hub


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three files: text, a large one, one in a subfolder; and a hidden one, which is left out."""
    made = tmp_path / "folder"
    (made / "segmenter").mkdir(parents=True)
    (made / "config.json").write_text("{}")
    (made / "model.safetensors").write_bytes(WEIGHTS)
    (made / "segmenter" / "config.json").write_text('{"a": 1}')
    (made / ".hidden").mkdir()
    (made / ".hidden" / "secret").write_text("x")
    return made


SENT = ("config.json", "model.safetensors", "segmenter/config.json")


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in SENT}


def test_what_is_pushed_comes_back_the_same_in_every_way_of_transfer(each_hub, folder, monkeypatch, tmp_path):
    each_hub.connect(monkeypatch, tmp_path / "home")
    push = push_folder(folder, NAME)
    assert push.sent == SENT and push.commit in push.url
    assert each_hub.files(NAME) == contents(folder)
    pulled = fetch_folder(NAME)
    assert contents(pulled) == contents(folder)
    assert commit_of(pulled) == push.commit
    assert each_hub.leaks == [], "the token went to the file store"
    assert each_hub.count("PUT .*part=") == (4 if each_hub.part_size else 0)
    assert each_hub.count(r"GET /store/") == (1 if each_hub.redirect else 0)


def test_a_new_repository_is_private_and_a_second_push_changes_nothing(hub, folder):
    first = push_folder(folder, NAME, tag="v1")
    assert hub.repository(NAME).private
    before = len(hub.requests)
    again = push_folder(folder, NAME, tag="v1")
    assert again.sent == () and again.unchanged == SENT and again.commit == first.commit and again.calls == ()
    assert all(line.startswith(("GET", "HEAD")) for line in hub.requests[before:])
    assert [commit.title for commit in hub.repository(NAME).history("main")] == [
        "Push folder",
        "initial commit",
    ]
    assert hub.repository(NAME).refs["refs/tags/v1"] == first.commit


def test_only_what_changed_is_sent(hub, folder):
    push_folder(folder, NAME)
    (folder / "config.json").write_text("[]")
    assert push_folder(folder, NAME).sent == ("config.json",)
    assert hub.count("PUT ") == 1
    assert hub.files(NAME)["config.json"] == b"[]"


def test_a_dry_run_lists_everything_and_writes_nothing(hub, folder):
    lines = push_folder(folder, NAME, dry_run=True, tag="v1").lines()
    assert lines[:3] == [
        f"create the private model repository {NAME}",
        "commit to main: 3 files sent, 0 removed",
        "tag it v1",
    ]
    assert [line.split()[1] for line in lines[3:]] == list(SENT)
    assert hub.repositories == {} and all(line.startswith("GET") for line in hub.requests)


def test_a_dry_run_goes_without_the_hub(hub, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "the Hub was not reached" in push_folder(folder, NAME, dry_run=True).lines()[-1]
    with pytest.raises(HubError, match="cannot be reached"):
        push_folder(folder, NAME)


def test_a_pull_request_leaves_main_as_it_is(hub, folder):
    with pytest.raises(HubError, match="no repository .* yet"):
        push_folder(folder, NAME, create_pr=True)
    push_folder(folder, NAME)
    (folder / "config.json").write_text("[]")
    push = push_folder(folder, NAME, create_pr=True)
    assert push.url.endswith("/discussions/1")
    assert hub.files(NAME)["config.json"] == b"{}"
    assert hub.files(NAME, revision="refs/pr/1")["config.json"] == b"[]"


def test_a_card_somebody_wrote_is_kept_and_one_of_ours_is_not(hub, folder):
    (folder / "README.md").write_text("mine, by hand")
    push_folder(folder, NAME)
    (folder / "README.md").write_text(f"{MARKER}\nwritten by a program")
    push = push_folder(folder, NAME)
    assert (
        push.kept == ("README.md",) and push.sent == () and "was not written by medreasoner" in push.notes[0]
    )
    assert hub.files(NAME)["README.md"] == b"mine, by hand"
    push_folder(folder, f"{USER}/other")
    (folder / "README.md").write_text(f"{MARKER}\nwritten again")
    assert push_folder(folder, f"{USER}/other").sent == ("README.md",)


def test_files_of_an_earlier_push_go_when_they_are_asked_to(hub, folder):
    (folder / "model-00001-of-00001.safetensors").write_bytes(b"old")
    push_folder(folder, NAME)
    (folder / "model-00001-of-00001.safetensors").unlink()
    assert push_folder(folder, NAME).removed == ()
    assert push_folder(folder, NAME, prune=("model-*.safetensors",)).removed == (
        "model-00001-of-00001.safetensors",
    )
    assert set(hub.files(NAME)) == set(SENT)


def test_a_tag_never_moves(hub, folder):
    push_folder(folder, NAME, tag="v1")
    (folder / "config.json").write_text("[]")
    with pytest.raises(HubError, match="has a tag v1 at"):
        push_folder(folder, NAME, tag="v1")
    assert hub.files(NAME)["config.json"] == b"{}"


WRONG = {
    "an expired token": (
        dict(status=401, message="Invalid credentials in Authorization header"),
        "hf auth login",
    ),
    "a plan": (dict(status=402), "paid plan"),
    "no permission": (dict(status=403), "write permission"),
    "two at once": (dict(status=409), "another change is under way"),
    "a commit in between": (dict(status=412), "somebody changed the repository"),
    "too often": (dict(status=429, headers={"Retry-After": "0"}, times=9), "too many requests"),
    "the Hub's own trouble": (dict(status=503, times=9), "problem of its own"),
    "a broken connection": (dict(drop=10), "connection to the Hub broke"),
}


@pytest.mark.parametrize("what", WRONG)
def test_each_refusal_says_what_to_do_and_nothing_half_published_is_seen(hub, folder, what):
    push_folder(folder, NAME)
    before = hub.files(NAME)
    (folder / "model.safetensors").write_bytes(WEIGHTS[::-1])
    (folder / "config.json").write_text("[]")
    fault, says = WRONG[what]
    fault = hub.fault(r"POST .*/commit/", **fault)
    with pytest.raises(HubError, match=says) as refusal:
        push_folder(folder, NAME)
    assert str(refusal.value).startswith(f"could not push to {NAME}: ") and "\n" not in str(refusal.value)
    assert hub.files(NAME) == before
    fault.times = 0
    assert push_folder(folder, NAME).sent == ("config.json", "model.safetensors")
    assert hub.count("PUT ") == 2, "the large file had arrived and was sent again"
    assert hub.files(NAME) == contents(folder)


def test_a_commit_that_happens_meanwhile_is_not_overwritten(hub, folder, monkeypatch):
    push_folder(folder, NAME)
    (folder / "config.json").write_text("[]")
    repository = hub.repository(NAME)
    commit = repository.commit
    theirs = [
        {"key": "header", "value": {"summary": "theirs"}},
        {"key": "deletedFile", "value": {"path": "segmenter/config.json"}},
    ]

    def after_theirs(*ours):
        commit("main", theirs, {}, False)
        return commit(*ours)

    monkeypatch.setattr(repository, "commit", after_theirs)
    with pytest.raises(HubError, match="somebody changed the repository"):
        push_folder(folder, NAME)
    assert (
        set(hub.files(NAME)) == {"config.json", "model.safetensors"}
        and hub.files(NAME)["config.json"] == b"{}"
    )


@pytest.mark.parametrize(
    "fault",
    [dict(drop=100), dict(status=503), dict(status=429, headers={"Retry-After": "0"}), dict(slow=1000)],
)
def test_an_upload_that_stumbles_once_goes_through(hub, folder, fault):
    hub.fault(r"PUT ", **fault)
    push_folder(folder, NAME)
    assert hub.files(NAME) == contents(folder)


def test_while_the_hub_has_half_of_a_file_nothing_of_the_push_is_seen(hub, folder):
    push_folder(folder, NAME)
    before = hub.files(NAME)
    (folder / "model.safetensors").write_bytes(WEIGHTS[::-1])
    (folder / "config.json").write_text("[]")
    half = threading.Barrier(2, timeout=60)
    hub.fault(r"PUT ", slow=1000, half=half)
    with ThreadPoolExecutor(1) as thread:
        pushing = thread.submit(push_folder, folder, NAME)
        half.wait()
        assert hub.files(NAME) == before and not pushing.done()
        half.wait()
        assert pushing.result().sent == ("config.json", "model.safetensors")
    assert hub.files(NAME) == contents(folder)


def test_bytes_that_change_on_the_way_up_are_never_published(hub, folder):
    hub.fault(r"PUT ", corrupt=True)
    with pytest.raises(HubError, match="SHA-256"):
        push_folder(folder, NAME)
    assert hub.files(NAME) == {}


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_bytes_that_change_on_the_way_down_are_never_used(hub, folder, name):
    push_folder(folder, NAME)
    fault = hub.fault(rf"GET .*/resolve/.*{name}", corrupt=True, times=1)
    with pytest.raises(HubError, match=f"{name} of {NAME} arrived damaged"):
        fetch_folder(NAME)
    assert fault.times == 0
    assert contents(fetch_folder(NAME)) == contents(folder), "the second try did not fetch it anew"


def test_a_single_file_is_checked_too_and_one_that_changes_later_is_found_out(hub, folder):
    push_folder(folder, NAME)
    hub.fault(r"GET .*/resolve/.*segmenter/config.json", corrupt=True)
    with pytest.raises(HubError, match="arrived damaged"):
        fetch_file(NAME, "segmenter/config.json")
    blob = (fetch_folder(NAME) / "model.safetensors").resolve()
    blob.write_bytes(WEIGHTS[::-1])
    with pytest.raises(HubError, match="arrived damaged"):
        fetch_folder(NAME)
    assert contents(fetch_folder(NAME)) == contents(folder)


def test_a_download_that_breaks_off_goes_on_where_it_was(hub, folder):
    push_folder(folder, NAME)
    hub.fault(r"GET .*/resolve/.*model.safetensors", drop=3000)
    assert contents(fetch_folder(NAME)) == contents(folder)


def test_what_was_pulled_is_there_without_a_network_and_a_commit_pins_it(hub, folder, monkeypatch):
    first = push_folder(folder, NAME).commit
    (folder / "config.json").write_text("[]")
    push_folder(folder, NAME)
    assert (fetch_folder(NAME, first) / "config.json").read_text() == "{}"
    assert (fetch_folder(NAME) / "config.json").read_text() == "[]"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    before = len(hub.requests)
    assert (fetch_folder(NAME, first) / "config.json").read_text() == "{}"
    assert (fetch_folder(NAME) / "config.json").read_text() == "[]"
    assert (fetch_file(NAME, "model.safetensors")).read_bytes() == WEIGHTS
    assert len(hub.requests) == before
    with pytest.raises(HubError, match="cannot be reached") as missing:
        fetch_folder(f"{USER}/other")
    assert missing.value.unreachable


def test_what_was_pulled_is_there_while_the_hub_does_not_answer(hub, folder, monkeypatch, tmp_path):
    commit = push_folder(folder, NAME).commit
    fetch_folder(NAME)
    with Hub() as gone:
        pass
    gone.connect(monkeypatch, tmp_path / "home")
    for revision in (None, commit):
        assert contents(fetch_folder(NAME, revision)) == contents(folder)
    with pytest.raises(HubError, match="cannot be reached|connection to the Hub broke") as missing:
        fetch_folder(f"{USER}/other")
    assert missing.value.unreachable


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_hub_that_answers_with_an_error_is_not_one_that_cannot_be_reached(hub, folder, status):
    push_folder(folder, NAME)
    hub.fault("GET .*/api/models/|HEAD .*", status=status, times=99)
    says = "too many requests" if status == 429 else "the Hub has a problem of its own"
    for fetch in (lambda: fetch_folder(NAME), lambda: fetch_file(NAME, "config.json")):
        with pytest.raises(HubError, match=says) as refusal:
            fetch()
        assert refusal.value.status == status and not refusal.value.unreachable


def test_only_a_models_own_files_are_fetched(hub, folder):
    for name in (
        "pytorch_model.bin",
        "training_args.bin",
        "trainer_state.json",
        "checkpoint-5/model.safetensors",
        "completions/1.parquet",
    ):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    push_folder(folder, NAME)
    pulled = fetch_folder(NAME)
    assert {path.relative_to(pulled).as_posix() for path in pulled.rglob("*") if path.is_file()} == set(SENT)


def test_a_repository_that_is_not_to_be_seen_is_one_clear_sentence(hub, folder, monkeypatch, tmp_path):
    push_folder(folder, NAME)
    for name, says in ((f"{USER}/none", "no repository of that name"), ("no id at all", "no Hub id")):
        with pytest.raises(HubError, match=says):
            fetch_folder(name)
    with pytest.raises(HubError, match="no revision 'v9'"):
        fetch_folder(NAME, "v9")
    with pytest.raises(HubError, match="holds no file 'x.json'"):
        fetch_file(NAME, "x.json")
    hub.connect(monkeypatch, tmp_path / "stranger", token=None)
    with pytest.raises(HubError, match="log in"):
        fetch_folder(NAME)
    hub.repository(NAME).private, hub.repository(NAME).gated = False, "manual"
    with pytest.raises(HubError, match="is gated"):
        fetch_folder(NAME)


@pytest.mark.parametrize(
    ("token", "says"), [(READ, "write permission"), ("hf_expired", "hf auth login"), (None, "hf auth login")]
)
def test_without_the_right_token_nothing_is_made(hub, folder, monkeypatch, tmp_path, token, says):
    hub.connect(monkeypatch, tmp_path / "home", token=token)
    with pytest.raises(HubError, match=says):
        push_folder(folder, NAME)
    assert hub.repositories == {}


def test_metadata_the_hub_refuses_stops_the_push(hub, folder):
    (folder / "README.md").write_text("---\nlicense: [1]\n---\n")
    with pytest.raises(HubError, match="license"):
        push_folder(folder, NAME)
    assert hub.files(NAME) == {}

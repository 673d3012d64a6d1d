"""The unmodified huggingface_hub against the loopback Hub: what goes up is whole or not there at all."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import commit_of, fetch_folder
from medreasoner.hub.push import push_folder
from medreasoner.hub.repository import MARKER
from tests.hub.small_folder import NAME, SENT, WEIGHTS, contents
from tests.hub_server import READ, USER, Hub


@pytest.fixture(params=["direct", "redirect", "parts"])
def each_hub(request):
    with Hub(
        redirect=request.param == "redirect", part_size=5000 if request.param == "parts" else None
    ) as hub:
        yield hub


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
    half = threading.Barrier(2, timeout=600)
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

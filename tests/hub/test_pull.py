"""The unmodified huggingface_hub against the loopback Hub: what comes down is whole, or it is an error that
says why.
"""

import shutil
from pathlib import Path

import pytest

from medreasoner.hub.errors import HubError
from medreasoner.hub.pull import fetch_file, fetch_folder
from medreasoner.hub.push import push_folder
from tests.hub.small_folder import NAME, SENT, WEIGHTS, contents
from tests.hub_server import USER, Hub


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


def _half_a_record(cache: Path) -> None:
    (cache / ".verified").write_bytes((cache / ".verified").read_bytes()[:20])


def _an_empty_record(cache: Path) -> None:
    (cache / ".verified").write_bytes(b"")


def _a_record_of_another_kind(cache: Path) -> None:
    (cache / ".verified").write_text("[1]")


def _no_record_yet_and_wrong_bytes(cache: Path) -> None:
    (cache / ".verified").unlink()
    blob = next(cache.glob("snapshots/*/model.safetensors")).resolve()
    blob.write_bytes(WEIGHTS[::-1])


def _half_a_download(cache: Path) -> None:
    blob = next(cache.glob("snapshots/*/model.safetensors")).resolve()
    blob.rename(blob.with_name(f"{blob.name}.0123abcd.incomplete"))


def _a_file_without_its_link(cache: Path) -> None:
    next(cache.glob("snapshots/*/model.safetensors")).unlink()


def _no_file_but_what_was_asked(cache: Path) -> None:
    for name in ("blobs", "snapshots"):
        shutil.rmtree(cache / name)


@pytest.mark.parametrize(
    "left",
    [
        *(_half_a_record, _an_empty_record, _a_record_of_another_kind, _no_record_yet_and_wrong_bytes),
        *(_half_a_download, _a_file_without_its_link, _no_file_but_what_was_asked),
    ],
    ids=lambda left: left.__name__,
)
def test_whatever_a_kill_leaves_in_the_cache_the_next_try_gives_the_whole_folder(hub, folder, left):
    push_folder(folder, NAME)
    cache = fetch_folder(NAME).parents[1]
    left(cache)
    if left is _no_record_yet_and_wrong_bytes:  # the damaged file is named once, and removed
        with pytest.raises(HubError, match="arrived damaged"):
            fetch_folder(NAME)
    assert contents(fetch_folder(NAME)) == contents(folder)
    assert not list(cache.glob(".verified.*"))


def test_half_a_folder_is_never_served_without_a_network(hub, folder, monkeypatch):
    push_folder(folder, NAME)
    fetch_folder(NAME)
    (folder / "segmenter" / "config.json").write_text("[]")
    push_folder(folder, NAME)
    (fetch_folder(NAME) / "model.safetensors").unlink()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubError, match="nor whole in the local cache"):
        fetch_folder(NAME)


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

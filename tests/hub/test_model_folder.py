"""What of a folder is published: the files that lie in it, and nothing that a link fetches from elsewhere."""

import pytest

from medreasoner.hub.errors import HubError
from medreasoner.hub.model_folder import link_files
from medreasoner.hub.publish import PublishError, publish
from medreasoner.hub.push import push_folder
from tests.hub.small_folder import NAME
from tests.upstream import lingshu


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret.json"
    path.write_text('{"token": "hf_secret"}')
    return path


def test_a_link_out_of_the_folder_is_refused_by_name(folder, secret, tmp_path):
    (folder / "tokenizer.json").symlink_to(secret)
    with pytest.raises(ValueError, match="tokenizer.json is a link that leads out of the folder; put the"):
        link_files(folder, tmp_path / "out", ("*.json",))


def test_links_within_the_folder_and_its_cache_are_fine(folder, tmp_path):
    (folder / "tokenizer.json").symlink_to(folder / "config.json")
    link_files(folder, tmp_path / "out", ("*.json",))
    assert (tmp_path / "out/tokenizer.json").read_text() == "{}"
    snapshot, blobs = tmp_path / "repo/snapshots/abc", tmp_path / "repo/blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    (blobs / "1").write_text("[]")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    link_files(snapshot, tmp_path / "cached", ("*.json",))
    assert (tmp_path / "cached/config.json").read_text() == "[]"


def test_a_push_of_a_whole_folder_sends_nothing_that_a_link_fetches(hub, folder, secret):
    (folder / "notes.json").symlink_to(secret)
    with pytest.raises(HubError, match="notes.json is a link that leads out of the folder"):
        push_folder(folder, NAME)
    assert hub.repositories == {}


@pytest.mark.parametrize("what", ["file", "segmenter"])
def test_publishing_a_model_sends_nothing_that_a_link_fetches(hub, secret, tmp_path, what):
    model = lingshu(tmp_path / "model")
    if what == "file":
        (model / "added_tokens.json").unlink(missing_ok=True)
        (model / "added_tokens.json").symlink_to(secret)
    else:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere/config.json").write_text('{"token": "hf_secret"}')
        (model / "segmenter").symlink_to(tmp_path / "elsewhere")
        (model / "medreasoner.json").write_text('{"format": 1, "segmenter": "segmenter"}')
    with pytest.raises(PublishError, match="is a link that leads out of the folder"):
        publish(model, NAME)
    assert hub.repositories == {}

"""Sets on the Hub, read with the real client from a Hub on loopback: in parts, at one commit.

python -m pytest tests/data/test_hub_dataset.py
"""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import HfApi
from huggingface_hub.hf_file_system import HfFileSystemFile

from medreasoner.data.load import DataError, load
from tests.data.layouts.test_umrg import entry, raw
from tests.hub_server import Hub
from tests.sets import BOX, folder, parquet, png, published, row

NAME = "tester/umrg"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub() as server:
        server.connect(monkeypatch, tmp_path / "home")
        yield server


def upload(path, name: str = NAME) -> str:
    """Put a folder there; returns the commit."""
    HfApi().create_repo(name, repo_type="dataset", exist_ok=True)
    return HfApi().upload_folder(repo_id=name, repo_type="dataset", folder_path=path).oid


def two_splits(path):
    path.mkdir()
    for split in ("train", "test"):
        parquet(
            path / f"{split}.parquet", *(published(f"{split}{n}_CT_a_000.png", side=420) for n in range(3))
        )
    return path


def test_a_dataset_is_read_by_its_id_in_pixels_of_its_images(hub, tmp_path):
    commit = upload(two_splits(tmp_path / "set"))
    loaded = load(NAME, "test")
    assert loaded.revision == commit
    assert [s.case for s in loaded] == ["test0", "test1", "test2"]
    assert next(iter(loaded)).box == (70, 105, 210, 210)
    assert hub.count("train.parquet") == 0, "what was not asked for is not fetched"


def test_a_revision_is_settled_once(hub, tmp_path):
    data = two_splits(tmp_path / "set")
    first = upload(data)
    newest = load(NAME, "test")
    HfApi().create_tag(NAME, repo_type="dataset", tag="v1")
    parquet(data / "test.parquet", published("later_CT_a_000.png"))
    second = upload(data)
    assert newest.revision == first and len(list(newest)) == 3, "what was loaded stays what it was"
    assert load(NAME, "test", revision="v1").revision == first
    assert [s.case for s in load(NAME, "test", revision=first)] == ["test0", "test1", "test2"]
    assert load(NAME, "test").revision == second and [s.case for s in load(NAME, "test")] == ["later"]


def test_parquet_is_read_in_parts_and_no_further_than_the_samples_that_are_taken(hub, tmp_path, monkeypatch):
    picture = png(np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8))
    rows = [
        row(id=str(n), image={"bytes": picture}, mask=None, box=[1.0, 2.0, 3.0, 4.0], points=[[1.0, 2.0]] * 2)
        for n in range(60)
    ]
    (tmp_path / "set").mkdir()
    table = pa.Table.from_pylist(rows)
    pq.write_table(
        table, tmp_path / "set/train.parquet", use_dictionary=False, compression="none", write_batch_size=8
    )  # one row group
    upload(tmp_path / "set")
    parts = []
    fetch = HfFileSystemFile._fetch_range
    monkeypatch.setattr(
        HfFileSystemFile,
        "_fetch_range",
        lambda self, start, end: parts.append(end - start) or fetch(self, start, end),
    )
    first = next(iter(load(NAME, "train")))
    assert first.id == "0" and first.load_image().size == (400, 400)
    size = (tmp_path / "set/train.parquet").stat().st_size
    assert len(picture) < sum(parts) < size / 2 and max(parts) < size / 4, (
        f"{sum(parts)} of {size} bytes, at most {max(parts)} at once"
    )
    assert not list((tmp_path / "home").rglob("*.parquet")), "nothing is kept on disk"


def test_the_projects_folder_is_fetched_file_by_file_below_a_dataset(hub, tmp_path):
    (tmp_path / "sets").mkdir()
    folder(tmp_path / "sets/small", row(), row(id="b", mask="gone.png"), row(id="c"))
    upload(tmp_path / "sets")
    loaded = load(f"{NAME}/small")
    assert [(s.id, s.truth().box) for s in loaded] == [("a", BOX), ("c", BOX)]
    assert str(loaded.skipped[0]) == "samples.jsonl, row 2: no file gone.png"
    with pytest.raises(DataError, match="which has none; small in it may be meant"):
        load(NAME)


def test_the_raw_layout_is_fetched_picture_by_picture(hub, tmp_path):
    upload(raw(tmp_path / "set", "test", entry()))
    [sample] = load(NAME, "test")
    assert sample.box == (140, 210, 420, 420) and sample.load_mask().any()


def test_trouble_with_the_hub_is_said_in_a_sentence_and_is_no_bad_row(hub, tmp_path):
    commit = upload(two_splits(tmp_path / "set"))
    with pytest.raises(DataError, match="no repository of that name on the Hub"):
        load("tester/gone", "test")
    with pytest.raises(DataError, match=f"{NAME} has no revision 'v9'"):
        load(NAME, "test", revision="v9")
    loaded = load(NAME, "test")
    hub.fault(rf"GET /datasets/{NAME}/resolve/{commit}/test.parquet", status=403, times=9)
    with pytest.raises(DataError, match=f"could not read the dataset {NAME}: the token may not do this"):
        list(loaded)
    assert loaded.skipped == []


def test_without_the_hub_the_id_is_named(monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match="could not read the dataset owner/name.*cannot be reached"):
        load("owner/name", "test")

"""Large sets become several files and row groups."""

import datasets
import pyarrow.parquet as pq

from medreasoner.data.publish.parquet_shards import ParquetShards


def test_large_sets_become_several_files_and_row_groups(tmp_path):
    wanted = datasets.Features({"images": datasets.List(datasets.Image()), "n": datasets.Value("int64")})
    shards = ParquetShards(tmp_path / "data", wanted, file_bytes=1000, group_bytes=500, group_rows=2)
    with shards:
        for n in range(10):
            shards.write("train", {"images": [{"bytes": bytes(300), "path": "a.png"}], "n": n})
    assert [path.name for path in shards.files] == [f"train-{n:05d}-of-00004.parquet" for n in range(4)]
    assert [row["n"] for path in shards.files for row in pq.read_table(path).to_pylist()] == list(range(10))
    assert [pq.ParquetFile(path).num_row_groups for path in shards.files] == [2, 2, 2, 1]
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [path.name for path in shards.files]

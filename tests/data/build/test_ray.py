"""The build past one machine: its function of one image as a map of Ray Data, on two workers, gives the same
set as one process.

Ray is no requirement of the project: `pip install "ray[data]"` for this test.

python -m pytest tests/data/build/test_ray.py
"""

import json
import os
import secrets
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medreasoner.data.build.builder import Builder
from medreasoner.data.build.cleaning import clean
from medreasoner.data.build.manifest import Manifest
from medreasoner.data.build.source_files import Options
from medreasoner.data.taxonomy import categories

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'ray[data]')")
pytest.importorskip("ray.data", reason="Ray is installed without its data library (pip install 'ray[data]')")

IMAGES = 8


def source(folder: Path) -> Path:
    """A manifest of images that do not resemble one another, each with one bright disc."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    with (folder / "manifest.jsonl").open("w") as file:
        for number in range(IMAGES):
            x, y, radius = rng.integers((50, 50, 15), (150, 100, 30))
            v, u = np.mgrid[:150, :200]
            mask = (u - x) ** 2 + (v - y) ** 2 <= radius**2
            smooth = ndimage.gaussian_filter(rng.normal(0, 1, mask.shape), 12)
            shade = np.where(mask, 220, (80 + 30 * smooth / smooth.std()).clip(0, 150)).astype(np.uint8)
            Image.fromarray(shade).save(folder / f"{number}.png")
            Image.fromarray(mask.astype(np.uint8)).save(folder / f"{number}_mask.png")
            row = {
                "id": f"drawn/{number}",
                "dataset": "drawn",
                "image": f"{number}.png",
                "mask": f"{number}_mask.png",
                "modality": "CT",
            }
            row |= {"case": str(number), "split": "train", "targets": [{"index": 1, "name": "spleen"}]}
            file.write(json.dumps(row) + "\n")
    return folder


class Clean:
    """What a worker does: the build's own function of one image."""

    def __init__(self, items: Manifest, out: Path):
        self.items, self.out = list(items), out

    def __call__(self, row: dict) -> dict:
        line = clean(self.items[row["number"]], self.out, categories())
        return {"number": row["number"], "line": json.dumps(line), "worker": os.getpid()}


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else one is written into the home folder
    monkeypatch.setenv("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    here = Path(__file__).parent
    paths = {
        "env_vars": {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}
    }  # the workers import this file and the project
    ray.init(
        num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False, runtime_env=paths
    )
    ray.data.DataContext.get_current().wait_for_min_actors_s = (
        600  # else the first worker may take all the work
    )
    yield
    ray.shutdown()


@pytest.mark.slow
def test_two_ray_workers_build_what_one_process_builds(tmp_path, two_workers):
    root = source(tmp_path / "source")
    items = Manifest(root / "manifest.jsonl", root, Options())
    alone, together = tmp_path / "alone", tmp_path / "together"
    Builder(items, alone).run()
    numbers = ray.data.from_items([{"number": number} for number in range(IMAGES)], override_num_blocks=4)
    made = numbers.map(Clean, fn_constructor_args=(items, together), concurrency=2).take_all()
    assert len({one["worker"] for one in made}) == 2
    builder = Builder(items, together)
    builder.clean(json.loads(one["line"]) for one in sorted(made, key=lambda one: one["number"]))
    report = builder.run()
    assert sum(report["samples"].values()) == IMAGES
    assert written(together) == written(alone), "the same questions, boxes, words and masks, to the byte"


def written(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
    }

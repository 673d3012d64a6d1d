"""The build past one machine: the same stages as a map of Ray Data, on two workers, give the same set as one process.

Ray is no requirement of the project: `pip install "ray[data]"` for this test.

python -m pytest tests/test_ray.py
"""

import json
import os
import secrets
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from medreasoner.data.build import Builder
from medreasoner.data.source import Items, Options

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
            row = {"id": f"drawn/{number}", "dataset": "drawn", "image": f"{number}.png", "mask": f"{number}_mask.png", "modality": "CT"}
            row |= {"case": str(number), "split": "train", "targets": [{"index": 1, "name": "spleen"}]}
            file.write(json.dumps(row) + "\n")
    return folder


def build(manifest: Path, root: Path, out: Path) -> list[str]:
    """The build's own three stages over the rows of one manifest; returns the lines of the set."""
    Builder(Items(manifest, root, Options()), out).run()
    return (out / "samples.jsonl").read_text().splitlines()


class Part:
    """What a worker does with a batch of a manifest's rows: the same build, on a manifest of these rows alone."""

    def __init__(self, root: Path, out: Path):
        self.root, self.out = root, out

    def __call__(self, batch: dict) -> dict:
        folder = self.out / json.loads(batch["row"][0])["id"].replace("/", "_")
        folder.mkdir(parents=True)
        (folder / "manifest.jsonl").write_text("".join(f"{row}\n" for row in batch["row"]))
        lines = build(folder / "manifest.jsonl", self.root, folder / "set")
        return {"line": lines, "worker": [os.getpid()] * len(lines)}


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else one is written into the home folder
    monkeypatch.setenv("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    here = Path(__file__).parent
    paths = {"env_vars": {"PYTHONPATH": f"{here}{os.pathsep}{here.parent}"}}  # the workers import this file and the project
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False, runtime_env=paths)
    ray.data.DataContext.get_current().wait_for_min_actors_s = 600  # else the first worker may take all the work
    yield
    ray.shutdown()


@pytest.mark.slow
def test_two_ray_workers_build_what_one_process_builds(tmp_path, two_workers):
    root = source(tmp_path / "source")
    alone = build(root / "manifest.jsonl", root, tmp_path / "alone")
    assert len(alone) == IMAGES
    rows = [{"row": line} for line in (root / "manifest.jsonl").read_text().splitlines()]
    parts = ray.data.from_items(rows, override_num_blocks=2)
    workers = ray.data.ActorPoolStrategy(size=2)
    made = parts.map_batches(Part, fn_constructor_args=(root, tmp_path / "parts"), batch_size=2, compute=workers).take_all()
    assert sorted(str(one["line"]) for one in made) == sorted(alone), "the same questions, boxes and words, to the letter"
    assert len({one["worker"] for one in made}) == 2
    written = {path.name: path.read_bytes() for path in (tmp_path / "parts").glob("*/set/masks/*.png")}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "alone/masks").glob("*.png")}

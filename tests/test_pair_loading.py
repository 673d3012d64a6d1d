"""Which segmenter a model gets: its own, a named one, or the embedded one where the Hub cannot be reached."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medreasoner import MedReasoner, ReasonerError, SegmenterError, pair_loading
from medreasoner.events import Done, Located, Segmented
from medreasoner.segmenters import registry as segmenter_registry
from medreasoner.segmenters.registry import load_segmenter
from tests import tiny

QUESTION = "Which part explains a cough that does not go away?"
PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("models") / "pair", script=tiny.SCRIPT)


@pytest.mark.parametrize("build", [tiny.qwen2_5_vl, tiny.qwen3_vl])
def test_other_families_run_with_any_segmenter(tmp_path, build, folder):
    model = build(tmp_path / "m", script=tiny.SCRIPT)
    mixed = MedReasoner.from_pretrained(model, segmenter=folder / "segmenter", device="cpu")
    events = list(mixed.stream(PICTURE, QUESTION))
    assert [type(event) for event in events[-3:]] == [Located, Segmented, Done]


def test_without_the_hub_other_models_fall_back_on_the_embedded_segmenter(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    model = tiny.qwen3_vl(tmp_path / "m", script=tiny.SCRIPT)
    monkeypatch.setattr(segmenter_registry, "EMBEDDED_SEGMENTER", tmp_path / "absent")
    with pytest.raises(SegmenterError, match="MedSAM2_latest.pt .* Hub cannot be reached"):
        MedReasoner.from_pretrained(model, device="cpu")
    monkeypatch.setattr(segmenter_registry, "EMBEDDED_SEGMENTER", folder / "segmenter")
    done = MedReasoner.from_pretrained(model, device="cpu").ground(PICTURE, QUESTION)
    assert done.segmenter == "embedded/segmenter"
    assert done.mask.any()


def test_the_embedded_pair_is_the_default_and_goes_by_its_name(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(pair_loading, "EMBEDDED_FOLDER", folder)
    monkeypatch.setattr(segmenter_registry, "EMBEDDED_SEGMENTER", folder / "segmenter")
    for chosen in ((None, None), ("embedded", "embedded")):
        done = MedReasoner.from_pretrained(chosen[0], segmenter=chosen[1], device="cpu").ground(
            PICTURE, QUESTION
        )
        assert (done.model, done.segmenter) == ("embedded", "embedded/segmenter")
    monkeypatch.setattr(pair_loading, "EMBEDDED_FOLDER", tmp_path / "absent")
    with pytest.raises(ReasonerError, match="not installed"):
        MedReasoner.from_pretrained()


def test_the_segmenter_of_a_pair_needs_its_pair(folder, tmp_path):
    shutil.copytree(folder / "segmenter", tmp_path / "alone")
    with pytest.raises(SegmenterError, match="config.json"):
        load_segmenter(tmp_path / "alone", device="cpu")


def test_importing_the_package_imports_no_torch():
    code = "import sys; from medreasoner import MedReasoner, ReasonerError; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False).returncode
        == 0
    )

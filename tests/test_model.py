"""A pair by its Hub ids: one repository or two; pinned, verified, offline; and what happens without a
segmenter.
"""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from medreasoner.events import Done
from medreasoner.geometry import INPUT_PIXELS
from medreasoner.hub.push import push_folder
from medreasoner.model import MedReasoner
from medreasoner.prompts import Prompt
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.segmenters import registry as segmenter_registry
from medreasoner.segmenters.base import MEDSAM2, SegmenterError, SegmenterPrompt
from medreasoner.segmenters.registry import PICKLED, load_segmenter
from tests import tiny, upstream
from tests.hub_server import USER, Hub

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8))
QUESTION = "What on this image explains the cough?"


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    return tiny.embedded(tmp_path_factory.mktemp("models") / "pair", script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return upstream.lingshu(tmp_path_factory.mktemp("models") / "lingshu", script=tiny.SCRIPT)


@pytest.fixture(scope="module")
def medsam2(tmp_path_factory) -> Path:
    return upstream.medsam2(tmp_path_factory.mktemp("models") / "MedSAM2_latest.pt")


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub(redirect=True) as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        yield hub


@pytest.fixture
def copy(tmp_path):
    """A folder to spoil."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


def said(folder: Path | str) -> str:
    reasoner = load_reasoner(folder, device="cpu")
    return "".join(reasoner.stream(reasoner.encode(PICTURE), QUESTION))


def test_reasoner_and_segmenter_of_one_repository_load_by_its_id(hub, pair):
    commit = push_folder(pair, f"{USER}/pair").commit
    model = MedReasoner.from_pretrained(f"{USER}/pair", device="cpu")
    done = model.ground(PICTURE, QUESTION)
    assert (done.model, done.segmenter) == (f"{USER}/pair", f"{USER}/pair/segmenter")
    assert (model.revision, model.segmenter_revision) == (commit, commit)
    assert (
        done.grounding == MedReasoner.from_pretrained(pair, device="cpu").ground(PICTURE, QUESTION).grounding
    )


def test_a_commit_pins_the_model_and_it_runs_without_a_network(hub, pair, copy, monkeypatch):
    first = push_folder(pair, f"{USER}/pair").commit
    changed = copy(pair)
    (changed / "prompt.json").write_text(
        json.dumps({"think": "Otherwise: {question}", "direct": "{question}"})
    )
    second = push_folder(changed, f"{USER}/pair").commit
    assert MedReasoner.from_pretrained(f"{USER}/pair", device="cpu").revision == second != first
    pinned = MedReasoner.from_pretrained(f"{USER}/pair", device="cpu", revision=first)
    assert pinned.revision == first and pinned.reasoner.prompt == Prompt.load(pair / "prompt.json")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    again = MedReasoner.from_pretrained(f"{USER}/pair", device="cpu", revision=first)
    assert again.revision == first and isinstance(again.ground(PICTURE, QUESTION), Done)


def test_a_folder_of_ones_own_has_no_revision(pair):
    model = MedReasoner.from_pretrained(pair, device="cpu")
    assert model.revision is None and model.segmenter_revision is None and model.folder == pair


def test_two_repositories_make_a_pair_and_a_model_can_name_its_segmenter(hub, qwen, copy, tmp_path):
    push_folder(qwen, f"{USER}/reasoner")
    masks = push_folder(tiny.segmenter(tmp_path / "segmenter"), f"{USER}/segmenter").commit
    model = MedReasoner.from_pretrained(f"{USER}/reasoner", segmenter=f"{USER}/segmenter", device="cpu")
    assert (
        model.segmenter_revision == masks and model.ground(PICTURE, QUESTION).segmenter == f"{USER}/segmenter"
    )
    named = copy(qwen)
    (named / "medreasoner.json").write_text(json.dumps({"format": 1, "segmenter": f"{USER}/segmenter"}))
    assert MedReasoner.from_pretrained(named, device="cpu").segmenter.name == f"{USER}/segmenter"
    shutil.copytree(tmp_path / "segmenter", named / "own")
    (named / "medreasoner.json").write_text(json.dumps({"format": 1, "segmenter": "own"}))
    assert MedReasoner.from_pretrained(named, device="cpu").segmenter.name == f"{named}/own"


@pytest.mark.slow
def test_lingshu_and_medsam2_as_published_ground_an_image_by_their_ids(
    hub, qwen, medsam2, monkeypatch, tmp_path
):
    """The published layouts from end to end, with nothing of ours beside them; the pickle is opened once,
    then never again.
    """
    hub.namespaces += ["lingshu-medical-mllm", "wanglab"]
    push_folder(qwen, "lingshu-medical-mllm/Lingshu-7B")
    commit = push_folder(medsam2.parent, "wanglab/MedSAM2", files=[medsam2.name]).commit
    with monkeypatch.context() as first:
        first.setattr(
            "medreasoner.segmenters.pickled.read_pickle",
            lambda path: pytest.fail("a pickle that nobody knows was opened"),
        )
        with pytest.raises(
            SegmenterError,
            match="MedSAM2_latest.pt is not the file that is known .* expected the SHA-256 c92743b99f00…",
        ):
            MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cpu")
    monkeypatch.setitem(PICKLED, MEDSAM2, (medsam2.name, hashlib.sha256(medsam2.read_bytes()).hexdigest()))
    model = MedReasoner.from_pretrained("lingshu-medical-mllm/Lingshu-7B", device="cpu")
    done = model.ground(PICTURE, QUESTION)
    assert (done.model, done.segmenter, model.segmenter_revision) == (
        "lingshu-medical-mllm/Lingshu-7B",
        "wanglab/MedSAM2",
        commit,
    )
    assert model.reasoner._model.dtype == torch.bfloat16 and model.reasoner.frame == INPUT_PIXELS
    assert model.reasoner.encode(PICTURE).input_wh == (840, 840)
    # 64..192 of 840 pixels, in an image of 128 x 96
    assert done.grounding.box == pytest.approx(
        (64 * 128 / 840, 32 * 96 / 840, 192 * 128 / 840, 128 * 96 / 840), abs=0.01
    )
    assert done.mask.shape == (96, 128) and done.mask.dtype == bool
    (kept,) = (tmp_path / "home" / "medreasoner" / "segmenters").iterdir()
    original = torch.load(medsam2, weights_only=True)["model"]
    assert all(torch.equal(value, original[key]) for key, value in load_file(kept).items()) and len(
        load_file(kept)
    ) == len(original)
    monkeypatch.setattr(
        "medreasoner.segmenters.pickled.read_pickle", lambda path: pytest.fail("the pickle was opened again")
    )
    monkeypatch.setattr(
        "medreasoner.segmenters.sam2_package.read_pickle",
        lambda path: pytest.fail("the pickle was opened again"),
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    encoded = (again := load_segmenter("wanglab/MedSAM2", device="cpu")).encode(PICTURE)
    assert (again.segment(encoded, SegmenterPrompt.of(done.grounding))[0] == done.mask).all()
    monkeypatch.setitem(PICKLED, MEDSAM2, (medsam2.name, "of another file"))
    with pytest.raises(SegmenterError, match="is not the file that is known"):
        load_segmenter("wanglab/MedSAM2", device="cpu")
    asked = {"segmenter": "wanglab/MedSAM2", "segmenter_revision": commit, "allow_pickle": True}
    assert (
        MedReasoner.from_pretrained(
            "lingshu-medical-mllm/Lingshu-7B", device="cpu", **asked
        ).segmenter_revision
        == commit
    )


def test_a_pickle_one_names_needs_leave(pair, tmp_path):
    (tmp_path / "own.pt").write_bytes(b"x")
    with pytest.raises(SegmenterError, match="allow_pickle"):
        MedReasoner.from_pretrained(pair, segmenter=tmp_path / "own.pt", device="cpu")
    with pytest.raises(SegmenterError, match="more than tensors"):
        MedReasoner.from_pretrained(pair, segmenter=tmp_path / "own.pt", device="cpu", allow_pickle=True)


def test_a_hub_that_cannot_be_reached_gives_way_to_the_embedded_segmenter_and_one_that_refuses_does_not(
    hub, qwen, monkeypatch, pair
):
    monkeypatch.setattr(segmenter_registry, "EMBEDDED_SEGMENTER", pair / "segmenter")
    with pytest.raises(SegmenterError, match="no repository of that name"):
        MedReasoner.from_pretrained(qwen, device="cpu")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert MedReasoner.from_pretrained(qwen, device="cpu").segmenter.name == "embedded/segmenter"

"""One choice of device for every model: on a Mac, an unshared segmenter must not stay on the CPU while the
reasoner has the GPU.
"""

import pytest
import torch
from transformers import Sam2Model

from medreasoner.device import pick_device
from medreasoner.model import MedReasoner
from medreasoner.reasoners import loading
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from medreasoner.segmenters.base import SegmenterError
from medreasoner.segmenters.registry import load_segmenter
from tests import tiny


@pytest.fixture
def machine(monkeypatch):
    """Call it with the accelerators that torch shall find here."""

    def have(*kinds: str) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in kinds)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in kinds)

    have()
    return have


@pytest.mark.parametrize(("kinds", "best"), [((), "cpu"), (("mps",), "mps"), (("cuda", "mps"), "cuda")])
def test_the_best_there_is_unless_one_is_named(machine, kinds, best):
    machine(*kinds)
    assert pick_device(None) == pick_device("auto") == best
    assert pick_device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("device", "said"),
    [("gpu", "'gpu' is not known"), ("cuda:1", "no cuda device"), ("mps", "no mps device")],
)
def test_a_device_that_is_not_there_is_refused_before_a_file_is_read(machine, tmp_path, device, said):
    with pytest.raises(ValueError, match=said):
        pick_device(device)
    with pytest.raises(ReasonerError, match=said):
        load_reasoner(tiny.qwen3_vl(tmp_path / "reasoner"), device)
    with pytest.raises(SegmenterError, match=said):
        load_segmenter(tiny.segmenter(tmp_path / "segmenter"), device)


def test_a_device_that_is_not_there_is_refused_before_anything_is_fetched(machine, monkeypatch):
    for place in ("medreasoner.pair_loading", "medreasoner.reasoners.registry"):
        monkeypatch.setattr(f"{place}.fetch_folder", lambda *_: pytest.fail("16 GB were fetched for nothing"))
    for open_model in (load_reasoner, MedReasoner.from_pretrained):
        with pytest.raises(ReasonerError, match="no cuda device"):
            open_model("lingshu-medical-mllm/Lingshu-7B", device="cuda")


def test_reasoner_and_unshared_segmenter_go_to_the_same_device(machine, tmp_path, monkeypatch):
    machine("mps")
    went, open_model, move = {}, loading.open_model, Sam2Model.to

    def opened(folder, config, device, dtype):
        went["reasoner"] = device
        return open_model(folder, config, "cpu", dtype)

    def moved(model, device):
        went["segmenter"] = device
        return move(model, "cpu")

    monkeypatch.setattr(loading, "open_model", opened)
    monkeypatch.setattr(Sam2Model, "to", moved)
    reasoner = tiny.qwen3_vl(tmp_path / "reasoner")
    MedReasoner.from_pretrained(reasoner, segmenter=tiny.segmenter(tmp_path / "segmenter"))
    assert went == {"reasoner": "mps", "segmenter": "mps"}

"""`train/soup.py`: the mean of models that went on from each other."""

import json

import pytest
import torch
from safetensors.torch import load_file

from medreasoner import MedReasoner
from tests import tiny
from train.soup import soup


def test_a_soup_is_the_mean_of_its_parts_and_loads_as_they_do(tmp_path):
    for n in (0, 1):
        tiny.embedded(tmp_path / str(n), script=tiny.SCRIPT, seed=n)
        (tmp_path / str(n) / "run.json").write_text(json.dumps({"options": {"steps": n}}))
    soup([tmp_path / "0", tmp_path / "1"], tmp_path / "out", only="self_attn")
    first, second, mean = (load_file(tmp_path / name / "model.safetensors") for name in ("0", "1", "out"))
    changed = {name for name in first if not torch.equal(first[name], mean[name])}
    assert changed and all("self_attn" in name for name in changed)
    assert all(
        torch.allclose(mean[name].float(), (first[name].float() + second[name].float()) / 2, atol=1e-3)
        for name in changed
    )
    assert json.loads((tmp_path / "out/run.json").read_text()) == {
        "options": {"steps": 0}, "averaged_with": [{"options": {"steps": 1}}], "averaged": "self_attn"
    }  # fmt: skip
    assert MedReasoner.from_pretrained(tmp_path / "out").reasoner._model.dtype == torch.float32
    tiny.qwen2_5_vl(tmp_path / "other")
    with pytest.raises(ValueError, match="went on from"):
        soup([tmp_path / "0", tmp_path / "other"], tmp_path / "never")

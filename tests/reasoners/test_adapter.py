"""Adapters: loaded on their base as PEFT does it, and refused where they do not fit."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText

from medreasoner.hub.push import push_folder
from medreasoner.manifest import Manifest
from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from tests import tiny, upstream
from tests.hub_server import USER, Hub
from tests.reasoners.small_models import picture


@pytest.fixture(scope="module")
def qwen(tmp_path_factory) -> Path:
    return upstream.lingshu(tmp_path_factory.mktemp("models") / "lingshu", script=tiny.SCRIPT)


@pytest.fixture
def copy(tmp_path):
    """A folder to spoil."""
    return lambda folder: Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with Hub(redirect=True) as hub:
        hub.connect(monkeypatch, tmp_path / "home")
        yield hub


@pytest.fixture(scope="module")
def adapter(tmp_path_factory, qwen) -> Path:
    """A LoRA adapter on `qwen` with weights that change what it writes, in the folder PEFT saves."""
    torch.manual_seed(0)
    base = AutoModelForImageTextToText.from_pretrained(qwen, dtype=torch.float32)
    adapted = get_peft_model(base, LoraConfig(r=4, target_modules=["q_proj", "lm_head"]))
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(value, std=0.5)
    folder = tmp_path_factory.mktemp("models") / "adapter"
    adapted.save_pretrained(folder)
    return folder


def based_on(adapter: Path, base: str, **more: object) -> Path:
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(
        json.dumps({**config, "base_model_name_or_path": base, **more})
    )
    return adapter


def test_an_adapter_loads_on_its_base_and_says_what_peft_says(hub, qwen, adapter, copy):
    base = push_folder(qwen, f"{USER}/base").commit
    mine = based_on(copy(adapter), f"{USER}/base", revision=base)
    commit = push_folder(mine, f"{USER}/adapter").commit
    reasoner = load_reasoner(f"{USER}/adapter", device="cpu")
    assert reasoner.revision == commit and reasoner.name == f"{USER}/adapter"
    plain = AutoModelForImageTextToText.from_pretrained(qwen, dtype=torch.bfloat16)
    expected = PeftModel.from_pretrained(plain, str(mine)).merge_and_unload().state_dict()
    loaded = reasoner._model.state_dict()
    assert loaded.keys() == expected.keys() and all(torch.equal(loaded[key], expected[key]) for key in loaded)
    assert not torch.equal(
        loaded["lm_head.weight"], load_reasoner(qwen, device="cpu")._model.state_dict()["lm_head.weight"]
    )


def test_an_adapters_own_prompt_goes_before_its_bases(qwen, adapter, copy):
    mine = based_on(copy(adapter), str(qwen))
    (mine / "prompt.json").write_text(json.dumps(tiny.PROMPT))
    (mine / "medreasoner.json").write_text(
        Manifest(square=112, prompt_sha256=Prompt.load(mine / "prompt.json").sha256).dumps()
    )
    reasoner = load_reasoner(mine, device="cpu")
    assert reasoner.prompt.think == tiny.PROMPT["think"] and reasoner.encode(picture()).input_wh == (112, 112)


def other_shape(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    save_file(
        {key: value[:2] if "lora_A" in key else value for key, value in state.items()},
        folder / "adapter_model.safetensors",
    )


def without_half(folder: Path) -> None:
    state = load_file(folder / "adapter_model.safetensors")
    save_file(
        {key: value for key, value in state.items() if "lora_B" not in key},
        folder / "adapter_model.safetensors",
    )


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: based_on(f, "nobody/base"), "adapter .* stands on nobody/base: .*no repository"),
        (lambda f: based_on(f, ""), "base_model_name_or_path"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "no adapter_model.safetensors"),
        (
            lambda f: (f / "adapter_model.safetensors").write_bytes(b"x" * 40),
            "does not fit its base model: .*[Hh]eader",
        ),
        (other_shape, "does not fit its base model: "),
        (without_half, "tensors missing"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_in_one_sentence(hub, qwen, adapter, copy, spoil, says):
    mine = based_on(copy(adapter), str(qwen))
    spoil(mine)
    with pytest.raises(ReasonerError, match=says) as refusal:
        load_reasoner(mine, device="cpu")
    assert "\n" not in str(refusal.value)

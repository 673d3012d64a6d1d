"""Folders of models: each part is used as it says, and whatever is missing, broken or not safe is one
sentence.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from medreasoner.prompts import Prompt
from medreasoner.reasoners.base import ReasonerError
from medreasoner.reasoners.registry import load_reasoner
from tests.reasoners.small_models import picture

WEIGHTS = "model.safetensors"


def test_a_given_prompt_wins_over_the_folders_own(folders):
    mine = Prompt("A {question}", "B {question}", system="C")
    reasoner = load_reasoner(folders["embedded"], device="cpu", prompt=mine, name="renamed")
    ids = reasoner._inputs(reasoner.encode(picture()), "what?", think=False)["input_ids"][0]
    assert "system\nC<|im_end|>" in reasoner._processor.tokenizer.decode(ids)
    assert "B what?<|im_end|>" in reasoner._processor.tokenizer.decode(ids)
    assert reasoner.name == "renamed"


def cut(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def change(path: Path, tensors) -> None:
    save_file(tensors(load_file(path)), path, metadata={"format": "pt"})


def shards(folder: Path, name: str) -> None:
    """An index that names `name` as the one weights file."""
    keys = load_file(folder / WEIGHTS)
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(keys, name)}))


def configure(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def writing(name: str, text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(text)


def without(*names: str) -> Callable[[Path], object]:
    return lambda folder: [(folder / name).unlink() for name in names]


def without_tensor(folder: Path) -> None:
    change(folder / WEIGHTS, lambda state: {k: v for k, v in state.items() if "layers.1.mlp.up" not in k})


def with_smaller_tensor(folder: Path) -> None:
    def smaller(state: dict) -> dict:
        return {k: v[1:].contiguous() if "layers.1.mlp.up" in k else v for k, v in state.items()}

    change(folder / WEIGHTS, smaller)


SPOILT = {
    "no config": (without("config.json"), "holds no config.json"),
    "broken config": (writing("config.json", "{"), "config.json cannot be used"),
    "unknown architecture": (writing("config.json", '{"model_type": "abacus"}'), "model type `abacus`"),
    "text only": (writing("config.json", '{"model_type": "llama"}'), "expected one that takes an image"),
    "config but no weights": (without(WEIGHTS), "holds no \\*.safetensors weights"),
    "pickled weights only": (
        lambda f: (f / WEIGHTS).rename(f / "pytorch_model.bin"),
        "holds no \\*.safetensors weights",
    ),
    "truncated weights": (lambda f: cut(f / WEIGHTS), "are the files whole"),
    "a pickle as a shard": (
        lambda f: shards(f, "pytorch_model.bin"),
        "names the weights file 'pytorch_model.bin'; expected",
    ),
    "a shard elsewhere": (
        lambda f: shards(f, "../model.safetensors"),
        "names the weights file '../model.safetensors'",
    ),
    "no shard at all": (writing("model.safetensors.index.json", "{}"), "index.json cannot be used"),
    "a package that is not here": (
        lambda f: configure(f, attn_implementation="flash_attention_2"),
        "needs a package that is not installed",
    ),
    "empty weights": (lambda f: (f / WEIGHTS).write_bytes(b""), "are the files whole"),
    "a missing tensor": (without_tensor, "lack 1 tensors .*up_proj"),
    "a tensor of another shape": (
        with_smaller_tensor,
        "in another shape, .*up_proj",
    ),
    "no tokenizer": (without("tokenizer.json", "tokenizer_config.json"), "lacks a usable tokenizer"),
    "half a tokenizer": (lambda f: cut(f / "tokenizer.json"), "lacks a usable tokenizer"),
    "no processor": (without("processor_config.json"), "lacks a usable tokenizer or image processor"),
    "no chat template": (without("chat_template.jinja"), "no chat template"),
    "a newer format": (writing("medreasoner.json", '{"format": 2}'), "format 2 is not known"),
    "an unknown frame": (
        writing("medreasoner.json", '{"format": 1, "frame": "0..7"}'),
        "frame must be one of",
    ),
    "an unknown key": (writing("medreasoner.json", '{"format": 1, "fram": 1}'), "unknown key 'fram'"),
    "a size in words": (
        writing("medreasoner.json", '{"format": 1, "square": "big"}'),
        "square must be a whole number",
    ),
    "no pass of the decoder": (
        writing("medreasoner.json", '{"format": 1, "looks": 0}'),
        "looks must be a whole number from 1",
    ),
    "a prompt without a place for the question": (
        writing("prompt.json", '{"think": "a", "direct": "b"}'),
        "exactly once",
    ),
    "a prompt that is no text": (
        writing("prompt.json", '{"think": 1, "direct": 2}'),
        "prompt.json cannot be used",
    ),
    "a prompt that is no JSON": (writing("prompt.json", "oops"), "prompt.json cannot be used"),
}


@pytest.mark.parametrize("family", ["embedded", "qwen3_vl"])
@pytest.mark.parametrize("what", SPOILT)
def test_half_a_model_is_refused_in_one_sentence(folders, tmp_path, what, family):
    spoil, says = SPOILT[what]
    shutil.copytree(folders[family], tmp_path / "m")
    spoil(tmp_path / "m")
    with pytest.raises(ReasonerError, match=says) as refusal:
        load_reasoner(tmp_path / "m", device="cpu")
    assert "\n" not in str(refusal.value)


def test_code_in_a_model_folder_is_never_run(folders, tmp_path, capsys):
    shutil.copytree(folders["embedded"], tmp_path / "m")
    config = json.loads((tmp_path / "m" / "config.json").read_text())
    (tmp_path / "m" / "config.json").write_text(
        json.dumps({**config, "model_type": "abacus", "auto_map": {"AutoConfig": "evil.Config"}})
    )
    (tmp_path / "m" / "evil.py").write_text("print('run')\nclass Config: pass\n")
    with pytest.raises(ReasonerError, match="custom code"):
        load_reasoner(tmp_path / "m", device="cpu")
    assert "run" not in capsys.readouterr().out.split()


def test_a_segmenter_needs_a_vision_tower_it_can_share(folders, tmp_path):
    shutil.copytree(folders["qwen3_vl"], tmp_path / "m")
    (tmp_path / "m" / "medreasoner.json").write_text('{"format": 1, "segmenter": "segmenter"}')
    with pytest.raises(ReasonerError, match="no SAM 2 vision tower"):
        load_reasoner(tmp_path / "m", device="cpu")

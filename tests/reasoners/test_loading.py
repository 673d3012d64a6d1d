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
from tests.tiny import SCRIPT

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
    "flash attention": (
        lambda f: configure(f, attn_implementation="flash_attention_2"),
        "config.json asks for the attention 'flash_attention_2'; take attn_implementation out .* or install",
    ),
    "eight bits": (
        lambda f: configure(f, quantization_config={"quant_method": "bitsandbytes", "load_in_8bit": True}),
        "quantized .bitsandbytes.; install what reads them with `pip install bitsandbytes`, or give",
    ),
    "four bits": (
        lambda f: configure(f, quantization_config={"quant_method": "bitsandbytes", "load_in_4bit": True}),
        "`pip install bitsandbytes`",
    ),
    "GPTQ": (
        lambda f: configure(f, quantization_config={"quant_method": "gptq", "bits": 4}),
        "`pip install optimum gptqmodel`",
    ),
    "AWQ": (
        lambda f: configure(f, quantization_config={"quant_method": "awq", "bits": 4}),
        "`pip install gptqmodel`",
    ),
    "a quantization nobody knows": (
        lambda f: configure(f, quantization_config={"quant_method": "zzz"}),
        "quantized by 'zzz', which is not known here; give the checkpoint that is not quantized",
    ),
    "ten million layers": (
        lambda f: configure(f, text_config={"num_hidden_layers": 10**7}),
        "num_hidden_layers must be a whole number from 0 to 1000, got 10000000",
    ),
    "no attention head": (
        lambda f: configure(f, vision_config={"num_heads": 0}),
        "num_heads must be a whole number from 1",
    ),
    "layers in words": (lambda f: configure(f, text_config={"num_hidden_layers": "x"}), "cannot be used"),
    "no type of numbers": (lambda f: configure(f, dtype=[]), "config.json cannot be used"),
    **{
        f"deep JSON in {name}": (writing(name, "[" * 100_000), f"{name} is nested too deeply")
        for name in ("config.json", "generation_config.json", "prompt.json", "calibration.json")
    },
    "a deep tokenizer": (writing("tokenizer_config.json", "[" * 100_000), "lacks a usable tokenizer"),
    "generation in words": (
        writing("generation_config.json", '{"eos_token_id": "x"}'),
        "eos_token_id must be the number of a token",
    ),
    "a penalty for everything": (
        writing("generation_config.json", '{"repetition_penalty": 1e308}'),
        "repetition_penalty must be a number from 0.1 to 10, got 1e[+]308; correct it",
    ),
    "no token at all": (
        writing("generation_config.json", '{"max_new_tokens": 0}'),
        "max_new_tokens must be a whole number from 1",
    ),
    **{
        f"a template that {what}": (writing("chat_template.jinja", text), f"chat template in .* {says}")
        for what, text, says in (
            ("refuses", "{{ raise_exception('text only') }}", "text only; correct chat_template.jinja"),
            ("adds a text to a number", "{{ 1 + 'a' }}", "unsupported operand .*; correct"),
            ("divides by zero", "{{ 1 // 0 }}", "by zero; correct"),
            ("calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "recursion .*; correct"),
            ("counts too far", "{% for i in range(10**9) %}x{% endfor %}", "Range too big"),
            ("breaks off", "{% for", "unexpected"),
            ("does not ask", "hello", "leaves the question out"),
            (
                "never ends",
                "{{ messages[-1].content[1].text }}{{ 'a' * 10**7 }}",
                "writes 10,00[0-9],[0-9]+ characters",
            ),
        )
    },
    "an image processor without a spread": (
        lambda f: (f / "processor_config.json").write_text(
            (f / "processor_config.json").read_text().replace('"image_mean": [', '"image_mean": ["x", ')
        ),
        "image processor in .* cannot take in a picture",
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


@pytest.mark.parametrize(
    "settings",
    [
        {"penalty_alpha": 0.6},
        {"cache_implementation": "quantized"},
        {"num_beams": "x", "early_stopping": "x"},
        {"force_words_ids": [[5]], "guidance_scale": "x", "max_time": "x"},
        {"watermarking_config": 5, "stop_strings": 5, "return_dict_in_generate": True},
    ],
    ids=lambda settings: "+".join(settings),
)
def test_odd_ways_of_generating_are_left_out(folders, tmp_path, settings):
    shutil.copytree(folders["qwen3_vl_script"], tmp_path / "m")
    path = tmp_path / "m" / "generation_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))
    reasoner = load_reasoner(tmp_path / "m", device="cpu")
    encoded = reasoner.encode(picture())
    assert "".join(reasoner.stream(encoded, "what?")) == SCRIPT
    assert [answer.text for answer in reasoner.answer_batch([encoded], ["what?"])] == [SCRIPT]


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

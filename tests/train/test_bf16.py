"""`train/bf16.py`: bf16 on a CPU, where it is fast."""

import pytest
import torch
from PIL import Image

from medreasoner.prompts import messages
from tests import tiny
from tests.train.sets import short_run
from train.model_spec import open_model_spec
from train.run import open_model
from train.sft import Options


def test_a_rollout_in_bf16_says_the_same_and_leaves_the_model_as_it_was(tmp_path, built_set):
    tiny.embedded(tmp_path / "start", script=tiny.SCRIPT)
    spec = open_model_spec(str(tmp_path / "start"))
    model = open_model(short_run(Options, tmp_path, built_set, 1, bf16=True), tmp_path / "start", None)
    chat = messages(spec.prompt.text("Where is it?", True), spec.prompt.system)
    chat[-1]["content"][0]["image"] = Image.open(built_set / "images/0.png").convert("RGB")
    inputs = spec.processor.apply_chat_template(
        [chat],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        processor_kwargs={"return_tensors": "pt"},
    )
    attention, seen = model.model.language_model.layers[0].self_attn, []
    hook = attention.register_forward_hook(
        lambda module, _, out: seen.append((module.config._attn_implementation, out[0].dtype))
    )
    usual = model.config.text_config._attn_implementation
    text = spec.processor.decode(
        model.generate(**inputs)[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert text == tiny.SCRIPT and set(seen) == {("eager", torch.bfloat16)} and usual != "eager"
    assert model.config.text_config._attn_implementation == attention.config._attn_implementation == usual
    with pytest.raises(ValueError, match="no_such_option"):
        model.generate(**inputs, no_such_option=1)
    assert attention.config._attn_implementation == usual
    hook.remove()

"""Whatever a checkpoint's generation_config.json asks for, its answers are greedy and end."""

from types import SimpleNamespace

import pytest
from transformers import GenerationConfig

from medreasoner.reasoners.generation import LONGEST, MAX_NEW_TOKENS, make_greedy, sampling_options

PROCESSOR = SimpleNamespace(tokenizer=SimpleNamespace(eos_token_id=7, pad_token_id=8))


def settled(**settings: object) -> GenerationConfig:
    model = SimpleNamespace(generation_config=GenerationConfig(**settings))
    make_greedy(model, PROCESSOR)
    return model.generation_config


@pytest.mark.parametrize(("asked", "given"), [(None, MAX_NEW_TOKENS), (64, 64), (10**9, LONGEST)])
def test_every_answer_has_an_end(asked, given):
    settings = settled(max_new_tokens=asked, max_length=20)
    assert (settings.max_new_tokens, settings.max_length) == (given, None)
    assert (settings.eos_token_id, settings.pad_token_id) == (7, 8)
    assert settled(eos_token_id=[1, 2]).eos_token_id == [1, 2]


def test_no_chance_and_no_beams():
    settings = settled(do_sample=True, temperature=0.3, top_k=5, num_beams=1_000_000, num_return_sequences=9)
    assert not settings.do_sample and settings.num_beams == settings.num_return_sequences == 1
    assert settings.temperature is settings.top_p is settings.top_k is None
    assert sampling_options(None) == {}
    assert sampling_options(0.5) == {"do_sample": True, "temperature": 0.5, "top_k": 0, "top_p": 1.0}
